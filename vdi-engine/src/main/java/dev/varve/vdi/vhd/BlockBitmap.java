// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.block.BlockRequest;

/**
 * The bitmap of one block in memory: a bit for each sector, MSB first, set when the sector was
 * written.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class BlockBitmap {
    final int block;
    final byte[] bits;

    /** Not read yet; requests that need it wait here. */
    boolean loading;

    /** Differs from what is on the device. */
    boolean dirty;

    /** A commit is writing it. */
    boolean committing;

    /** Used since the hand of the clock came by. */
    boolean referenced;

    /** Writes that were prepared and are not over; the bitmap stays in memory meanwhile. */
    int pins;

    BlockRequest waitingFirst;

    private final int sectors;
    private int setCount;

    BlockBitmap(int block, int sectors, int bytes) {
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

    boolean isEvictable() {
        return !loading && !dirty && !committing && pins == 0;
    }
}
