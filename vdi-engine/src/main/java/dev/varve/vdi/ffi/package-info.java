// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * The parts of the Linux system interface that the JDK does not offer, through java.lang.foreign.
 */
package dev.varve.vdi.ffi;
