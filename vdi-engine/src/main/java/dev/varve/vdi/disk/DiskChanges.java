// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import java.util.List;
import java.util.UUID;

/**
 * What an operation on a tree of images left behind, so that nobody has to look at the whole
 * repository to learn it.
 *
 * @param changed the disks and inner nodes that are new or not what they were, as they are now
 * @param removed the disks and inner nodes that are gone
 */
public record DiskChanges(List<VdiInfo> changed, List<UUID> removed) {
    /** Copies the lists. */
    public DiskChanges {
        changed = List.copyOf(changed);
        removed = List.copyOf(removed);
    }
}
