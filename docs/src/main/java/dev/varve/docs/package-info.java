// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** Home of the tests that hold the architecture; the pages lie beside this module. */
package dev.varve.docs;
