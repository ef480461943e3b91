// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import dev.varve.vdi.Operation;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.disk.DiskDifference;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The blocks in which two disks differ.
 *
 * <p>Where both rest on one image, they can differ only in what their own images above it have:
 * that is looked up and nothing is read. Disks that share no image are compared byte by byte where
 * one of them holds data. A block that is named though it is equal on both does no harm; one that
 * differs is always named.
 */
final class ChangedBlocks {
    private final DiskIo disk;
    private final DiskIo base;

    private ChangedBlocks(DiskDifference difference) {
        this.disk = new DiskIo(difference.disk());
        this.base = new DiskIo(difference.base());
    }

    static BlockSet of(DiskDifference difference, Operation operation) {
        ChangedBlocks changed = new ChangedBlocks(difference);
        BlockSet set = new BlockSet(changed.disk.sizeBytes());
        difference.ownParts().forEach(part -> addOwn(set, new DiskIo(part), operation));
        // Behind the end of the base there is nothing below what the disk has.
        changed.addBehindBase(set, operation);
        if (!difference.shared()) {
            changed.removeEqual(set, operation);
        }
        return set;
    }

    private static void addOwn(BlockSet set, DiskIo part, Operation operation) {
        set.addData(part, 0, Math.min(set.sizeBytes(), part.sizeBytes()), operation);
    }

    private void addBehindBase(BlockSet set, Operation operation) {
        if (base.sizeBytes() < disk.sizeBytes()) {
            long from = base.sizeBytes() / BlockSet.BLOCK_BYTES * BlockSet.BLOCK_BYTES;
            set.addData(disk, from, disk.sizeBytes(), operation);
        }
    }

    private void removeEqual(BlockSet set, Operation operation) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment ours = arena.allocate(BlockSet.BLOCK_BYTES, 4096);
            MemorySegment theirs = arena.allocate(BlockSet.BLOCK_BYTES, 4096);
            for (int block = set.next(0); block >= 0; block = set.next(block + 1)) {
                operation.checkpoint();
                int length = set.lengthOf(block);
                if (isEqual(ours, theirs, (long) block * BlockSet.BLOCK_BYTES, length)) {
                    set.remove(block);
                }
            }
        }
    }

    private boolean isEqual(MemorySegment ours, MemorySegment theirs, long from, int length) {
        int common = Math.clamp(base.sizeBytes() - from, 0, length);
        theirs.asSlice(common).fill((byte) 0);
        DiskIo.Sent first = disk.send(BlockOp.READ, from, length, ours, 0);
        DiskIo.Sent second = common == 0 ? first : base.send(BlockOp.READ, from, common, theirs, 0);
        disk.settle(first);
        base.settle(second);
        disk.await(first);
        base.await(second);
        return MemorySegment.mismatch(ours, 0, length, theirs, 0, length) < 0;
    }
}
