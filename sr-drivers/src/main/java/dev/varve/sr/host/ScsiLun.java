// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * A LUN with all paths to it.
 *
 * <p><b>Threads:</b> any.
 *
 * @param scsiId its name
 * @param disks the paths, in the order of their addresses; at least one
 * @param map the device that device-mapper has made of them, if it has
 * @param link a name in {@code /dev/disk/by-id} that follows it, if there is one
 * @param use who uses it already, for a person; empty when nobody does
 * @param root whether the system of this host runs from it
 */
public record ScsiLun(
        String scsiId,
        List<ScsiDisk> disks,
        Optional<MultipathMap> map,
        Optional<Path> link,
        String use,
        boolean root) {
    /** Copies the list. */
    public ScsiLun {
        disks = List.copyOf(disks);
    }

    /** The first path, which speaks for all of them where they have to agree. */
    public ScsiDisk first() {
        return disks.getFirst();
    }

    /** What to open, when one device is enough: the map, or the first path. */
    public Path node() {
        return map.map(MultipathMap::node).orElseGet(() -> first().node());
    }

    /** The name for a person: a link that stays, or else the node. */
    public Path path() {
        return link.orElseGet(this::node);
    }

    /** Whether all paths tell the same size and the same block. */
    public boolean isConsistent() {
        return disks.stream()
                .allMatch(
                        disk ->
                                disk.sizeBytes() == first().sizeBytes()
                                        && disk.blockBytes() == first().blockBytes());
    }
}
