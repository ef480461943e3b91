// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** Filters that watch, slow down, log or break what goes through them. */
package dev.varve.vdi.filter;
