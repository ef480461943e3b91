// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import dev.varve.vdi.Operation;
import dev.varve.vdi.block.ExtentList;

import java.util.BitSet;

/**
 * Some of the blocks of a disk, one bit for each.
 *
 * <p><b>Threads:</b> one.
 */
final class BlockSet {
    /** The size of a block: that of the images made here, in bytes. */
    static final int BLOCK_BYTES = 2 << 20;

    /** A lane answers for so many bytes at once and serves its other disks in between. */
    private static final long STEP_BYTES = 1L << 30;

    private static final int MOST_EXTENTS = 1024;

    private final long sizeBytes;
    private final BitSet bits = new BitSet();

    /** No block of a disk of the given size. */
    BlockSet(long sizeBytes) {
        this.sizeBytes = sizeBytes;
    }

    /** The blocks in which a disk holds data; what is in no other reads as zero. */
    static BlockSet withData(DiskIo disk, Operation operation) {
        BlockSet set = new BlockSet(disk.sizeBytes());
        set.addData(disk, 0, disk.sizeBytes(), operation);
        return set;
    }

    /** Adds the blocks in which a disk holds data in a range. */
    void addData(DiskIo disk, long from, long to, Operation operation) {
        ExtentList extents = new ExtentList(MOST_EXTENTS);
        long at = from;
        while (at < to) {
            operation.checkpoint();
            extents.clear();
            disk.extents(at, Math.min(STEP_BYTES, to - at), extents);
            for (int i = 0; i < extents.count(); i++) {
                long length = extents.length(i);
                if (extents.isData(i)) {
                    addRange(at, length);
                }
                at += length;
            }
        }
    }

    /** Adds the blocks that a range touches; what is behind the end of the disk does not count. */
    void addRange(long from, long length) {
        long to = Math.min(sizeBytes, from + length);
        if (from < to) {
            bits.set((int) (from / BLOCK_BYTES), (int) ((to - 1) / BLOCK_BYTES) + 1);
        }
    }

    void remove(int block) {
        bits.clear(block);
    }

    boolean contains(int block) {
        return bits.get(block);
    }

    /** The first block of the set that is not before the given one, or -1. */
    int next(int block) {
        return bits.nextSetBit(block);
    }

    /** How many blocks are in the set. */
    int count() {
        return bits.cardinality();
    }

    /** How many blocks the disk has. */
    int blocks() {
        return Math.toIntExact((sizeBytes + BLOCK_BYTES - 1) / BLOCK_BYTES);
    }

    /** The size of the disk in bytes. */
    long sizeBytes() {
        return sizeBytes;
    }

    /** How many bytes of the disk are in a block: the last may be short. */
    int lengthOf(int block) {
        return (int) Math.min(BLOCK_BYTES, sizeBytes - (long) block * BLOCK_BYTES);
    }

    /** A copy as plain bits. */
    BitSet toBits() {
        return (BitSet) bits.clone();
    }
}
