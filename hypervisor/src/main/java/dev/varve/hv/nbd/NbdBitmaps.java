// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.cbt.ChangedBlocks;

import java.util.List;

/**
 * By which blocks an exported disk differs from earlier snapshots of it.
 *
 * <p><b>Threads:</b> any.
 */
public interface NbdBitmaps {
    /** A disk whose changed blocks are not tracked. */
    NbdBitmaps NONE =
            new NbdBitmaps() {
                @Override
                public List<String> snapshots() {
                    return List.of();
                }

                @Override
                public ChangedBlocks since(String snapshot) {
                    throw new IllegalArgumentException("there is no snapshot " + snapshot);
                }
            };

    /** The UUIDs of the snapshots, the latest first; told without waiting. */
    List<String> snapshots();

    /**
     * The blocks that have changed since a snapshot, until now. May wait; not for a lane.
     *
     * @throws dev.varve.vdi.StorageException when that is not known any more
     */
    ChangedBlocks since(String snapshot);
}
