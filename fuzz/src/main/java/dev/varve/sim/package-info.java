// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** The crash simulation. */
package dev.varve.sim;
