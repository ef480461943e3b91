// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** The command line, evaluated in the daemon: what {@code xe} types arrives here as it is. */
package dev.varve.hv.cli;
