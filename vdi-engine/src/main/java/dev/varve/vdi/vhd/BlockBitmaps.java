// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * The bitmaps of an open image that are in memory: a hash table by block with open addressing,
 * because a table by index would take more room than the bitmaps.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class BlockBitmaps {
    private static final int SECTOR = 512;
    private static final int SMALLEST = 16;

    private final LayerIo io;
    private final int blockSectors;
    private final int bitmapBytes;
    private final List<BlockBitmap> dirty = new ArrayList<>();
    private final BlockCompletion bitmapRead = this::bitmapRead;
    private BlockBitmap[] slots = new BlockBitmap[SMALLEST];
    private int count;

    BlockBitmaps(LayerIo io, VhdHeader header) {
        this.io = io;
        this.blockSectors = header.blockBytes() / SECTOR;
        this.bitmapBytes = header.bitmapBytes();
    }

    private int home(int block) {
        int mixed = block * 0x9E3779B9;
        return (mixed ^ mixed >>> 16) & slots.length - 1;
    }

    /** The bitmap of a block, if it is in memory, or null. */
    BlockBitmap find(int block) {
        int mask = slots.length - 1;
        for (int at = home(block); slots[at] != null; at = at + 1 & mask) {
            if (slots[at].block == block) {
                return slots[at];
            }
        }
        return null;
    }

    /** The bitmap of a block at a place, which may still be loading. */
    BlockBitmap get(int block, long place) {
        BlockBitmap bitmap = find(block);
        if (bitmap == null) {
            bitmap = add(block, place);
            bitmap.loading = true;
            io.beginAsk();
            io.read(place * SECTOR, bitmapBytes, bitmap, bitmapRead);
            io.endAsk();
        }
        bitmap.touch();
        return bitmap;
    }

    /** A bitmap of zeros for a new block. */
    BlockBitmap add(int block, long place) {
        if (2 * (count + 1) > slots.length) {
            rehash();
        }
        BlockBitmap bitmap = new BlockBitmap(this, block, place, blockSectors, bitmapBytes);
        insert(bitmap);
        count++;
        io.host().metadata().add(bitmap);
        return bitmap;
    }

    private void insert(BlockBitmap bitmap) {
        int at = home(bitmap.block);
        while (slots[at] != null) {
            at = at + 1 & slots.length - 1;
        }
        slots[at] = bitmap;
    }

    private void rehash() {
        BlockBitmap[] old = slots;
        slots = new BlockBitmap[2 * old.length];
        for (BlockBitmap bitmap : old) {
            if (bitmap != null) {
                insert(bitmap);
            }
        }
    }

    /** Drops a bitmap for good. */
    void remove(BlockBitmap bitmap) {
        io.host().metadata().remove(bitmap);
        forget(bitmap);
    }

    /**
     * Takes a bitmap out and closes the gap that it leaves for those that did not fit before it.
     */
    void forget(BlockBitmap bitmap) {
        int mask = slots.length - 1;
        int gap = home(bitmap.block);
        while (slots[gap] != bitmap) {
            gap = gap + 1 & mask;
        }
        for (int at = gap + 1 & mask; slots[at] != null; at = at + 1 & mask) {
            if ((at - home(slots[at].block) & mask) >= (at - gap & mask)) {
                slots[gap] = slots[at];
                gap = at;
            }
        }
        slots[gap] = null;
        count--;
    }

    private void bitmapRead(BlockRequest read) {
        if (io.defers(bitmapRead, read)) {
            return;
        }
        BlockBitmap bitmap = (BlockBitmap) read.owner;
        IoStatus status = read.status;
        if (status == IoStatus.OK) {
            MemorySegment.copy(
                    read.buffer,
                    ValueLayout.JAVA_BYTE,
                    read.bufferOffset,
                    bitmap.bits,
                    0,
                    bitmap.bits.length);
            bitmap.loaded();
        } else {
            remove(bitmap);
        }
        io.giveBack(read);
        BlockRequest waiting = bitmap.waitingFirst;
        bitmap.waitingFirst = null;
        BlockRequest.wakeAll(waiting, status);
    }

    /** Bitmaps that differ from the device; a commit takes them from the list. */
    List<BlockBitmap> dirty() {
        return dirty;
    }

    /** Lets go of all bitmaps. */
    void release() {
        for (BlockBitmap bitmap : slots) {
            if (bitmap != null) {
                io.host().metadata().remove(bitmap);
            }
        }
        slots = new BlockBitmap[SMALLEST];
        count = 0;
    }
}
