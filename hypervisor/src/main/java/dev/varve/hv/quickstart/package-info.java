// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** What {@code varve quickstart} needs beyond the commands that it shows. */
package dev.varve.hv.quickstart;
