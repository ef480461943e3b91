// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import java.util.Optional;
import java.util.UUID;

/**
 * What makes a disk a snapshot.
 *
 * @param of the disk that it is a snapshot of, as far as that is known; it may be gone
 * @param takenMillis when it was taken, in milliseconds since 1970
 */
public record SnapshotMark(Optional<UUID> of, long takenMillis) {}
