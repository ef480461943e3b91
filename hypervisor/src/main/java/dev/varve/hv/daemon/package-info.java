// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** The daemon: how its parts are put together, started and stopped. */
package dev.varve.hv.daemon;
