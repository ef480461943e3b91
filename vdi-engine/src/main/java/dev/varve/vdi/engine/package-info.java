// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * The block engine: lanes that run disks, and the device that turns requests for a disk into
 * requests for the volume that holds its image.
 */
package dev.varve.vdi.engine;
