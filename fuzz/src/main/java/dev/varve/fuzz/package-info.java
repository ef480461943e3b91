// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** Fuzz targets: one class for each parser and protocol. */
package dev.varve.fuzz;
