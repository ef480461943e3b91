// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.image.MetadataCache;

/**
 * The bitmap of one block in memory: a bit for each sector, MSB first, set when the sector was
 * written.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class BlockBitmap extends MetadataCache.Page {
    private static final int OBJECT_BYTES = 104;

    final int block;
    final byte[] bits;

    /** Not read yet; requests that need it wait here. */
    boolean loading;

    /** Differs from what is on the device. */
    boolean dirty;

    /** A commit is writing it. */
    boolean committing;

    /** Writes that were prepared and are not over; the bitmap stays in memory meanwhile. */
    int pins;

    /** The sector of the volume where it lies. */
    final long place;

    BlockRequest waitingFirst;

    private final BlockBitmaps owner;
    private final int sectors;
    private int setCount;

    BlockBitmap(BlockBitmaps owner, int block, long place, int sectors, int bytes) {
        super(bytes + OBJECT_BYTES);
        this.owner = owner;
        this.place = place;
        this.block = block;
        this.sectors = sectors;
        this.bits = new byte[bytes];
    }

    /** Counts the bits after they were read. */
    void loaded() {
        setCount = 0;
        for (int i = 0; i < sectors; i++) {
            setCount += isSet(i) ? 1 : 0;
        }
        loading = false;
    }

    boolean isSet(int sector) {
        return (bits[sector >> 3] & 0x80 >> (sector & 7)) != 0;
    }

    /** How many sectors from the given one on are like it, up to a limit. */
    int run(int from, int limit) {
        boolean first = isSet(from);
        int to = from + 1;
        byte whole = (byte) (first ? 0xFF : 0);
        while (to < limit) {
            if ((to & 7) == 0 && to + 8 <= limit && bits[to >> 3] == whole) {
                to += 8;
            } else if (isSet(to) == first) {
                to++;
            } else {
                break;
            }
        }
        return to - from;
    }

    /** Sets bits; true when one of them was clear. */
    boolean set(int from, int to) {
        boolean changed = false;
        for (int i = from; i < to; i++) {
            if (!isSet(i)) {
                bits[i >> 3] |= (byte) (0x80 >> (i & 7));
                setCount++;
                changed = true;
            }
        }
        return changed;
    }

    boolean isFull() {
        return setCount == sectors;
    }

    @Override
    protected boolean isEvictable() {
        return !loading && !dirty && !committing && pins == 0;
    }

    @Override
    protected void evicted() {
        owner.forget(this);
    }
}
