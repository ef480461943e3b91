// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/** The format without metadata: the volume is the disk. */
package dev.varve.vdi.raw;
