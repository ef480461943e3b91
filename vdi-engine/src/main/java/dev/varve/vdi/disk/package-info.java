// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * What users do with disks: create, list, resize, destroy. Written once over {@link
 * dev.varve.vdi.store.VolumeStore}, so that it behaves the same on every kind of storage.
 */
package dev.varve.vdi.disk;
