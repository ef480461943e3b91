// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * The host daemon and its front ends.
 */
package dev.varve.hv;
