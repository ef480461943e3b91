// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * What every part of the system shares: error codes, the exception that carries them, and the
 * handle of a long-running operation.
 */
package dev.varve.vdi;
