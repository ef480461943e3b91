// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import java.util.UUID;

/**
 * A snapshot to be taken. It gets the name and the description of its source.
 *
 * @param source the disk
 * @param snapshot the UUID of the snapshot
 */
public record SnapshotSpec(UUID source, UUID snapshot) {}
