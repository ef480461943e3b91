// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Storage repositories.
 */
package dev.varve.sr;
