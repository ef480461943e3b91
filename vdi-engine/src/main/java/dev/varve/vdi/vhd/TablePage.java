// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.image.MetadataCache;

/**
 * A part of a block table in memory.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class TablePage extends MetadataCache.Page {
    static final int ENTRIES = 1024;
    static final int BYTES = ENTRIES * Integer.BYTES;
    static final int ENTRIES_PER_SECTOR = 512 / Integer.BYTES;

    private static final int OBJECT_BYTES = 80;

    final int index;
    final int[] entries = new int[ENTRIES];

    private final BlockTable table;

    /** Not read yet; requests that need it wait here. */
    boolean loading;

    /** One bit for each sector that differs from what is on the device. */
    int dirtySectors;

    /** A commit is writing some of it. */
    boolean committing;

    /** Which sectors that are; one bit for each. */
    int committingSectors;

    /** Blocks that are getting a place; their entries will change. */
    int pins;

    BlockRequest waitingFirst;

    TablePage(BlockTable table, int index) {
        super(BYTES + OBJECT_BYTES);
        this.table = table;
        this.index = index;
    }

    @Override
    protected boolean isEvictable() {
        return !loading && dirtySectors == 0 && !committing && pins == 0;
    }

    @Override
    protected void evicted() {
        table.forget(this);
    }
}
