// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Image formats as the engine sees them: where the bytes of a disk are inside the bytes of a
 * volume.
 */
package dev.varve.vdi.image;
