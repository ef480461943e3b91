// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** Time, randomness and threads, behind interfaces so that a simulation can stand in for them. */
package dev.varve.vdi.time;
