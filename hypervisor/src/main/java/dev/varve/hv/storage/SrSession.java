// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.sr.spi.AttachedSr;
import dev.varve.vdi.disk.DiskService;

/**
 * A repository that this host has attached.
 *
 * @param disks the operations on its disks
 */
public record SrSession(AttachedSr sr, DiskService disks) {}
