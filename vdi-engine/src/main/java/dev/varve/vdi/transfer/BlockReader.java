// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import dev.varve.vdi.block.BlockOp;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;

/**
 * Reads blocks of a disk in order, several ahead of whoever takes them. What a block does not hold
 * is not read.
 *
 * <p>Takes {@link #DEPTH} buffers of a block each, whatever the size of the disk. A slow taker
 * holds these and nothing else: no request waits for it.
 *
 * <p><b>Threads:</b> one.
 */
final class BlockReader implements AutoCloseable {
    /** How many blocks are read or wait to be taken. */
    static final int DEPTH = 4;

    /** Room in front of the data, so that what precedes a block can be sent with it. */
    static final int HEAD_BYTES = 4096;

    /** A block that was read; valid until the next one is taken. */
    static final class Piece {
        private final MemorySegment memory;
        private int block;
        private DiskIo.Sent read;

        private Piece(MemorySegment memory) {
            this.memory = memory;
        }

        /** Which block it is. */
        int block() {
            return block;
        }

        /** The data with the room before it. */
        MemorySegment memory() {
            return memory;
        }
    }

    private final DiskIo disk;
    private final BlockSet blocks;
    private final Arena arena = Arena.ofShared();
    private final ArrayDeque<Piece> idle = new ArrayDeque<>();
    private final ArrayDeque<Piece> reading = new ArrayDeque<>();
    private Piece taken;
    private int next;

    BlockReader(DiskIo disk, BlockSet blocks) {
        this.disk = disk;
        this.blocks = blocks;
        this.next = blocks.next(0);
        for (int i = 0; i < DEPTH; i++) {
            idle.add(new Piece(arena.allocate(HEAD_BYTES + BlockSet.BLOCK_BYTES, 4096)));
        }
    }

    /** Waits for the next block; null when there is none left. */
    Piece take() {
        if (taken != null) {
            idle.add(taken);
            taken = null;
        }
        while (next >= 0 && !idle.isEmpty()) {
            begin(idle.remove());
        }
        Piece first = reading.peek();
        if (first == null) {
            return null;
        }
        disk.await(first.read);
        taken = reading.remove();
        return taken;
    }

    /** What the disk's last block does not have is zero. */
    private void begin(Piece piece) {
        int length = blocks.lengthOf(next);
        piece.block = next;
        piece.memory
                .asSlice(HEAD_BYTES + (long) length, BlockSet.BLOCK_BYTES - length)
                .fill((byte) 0);
        piece.read =
                disk.send(
                        BlockOp.READ,
                        (long) next * BlockSet.BLOCK_BYTES,
                        length,
                        piece.memory,
                        HEAD_BYTES);
        reading.add(piece);
        next = blocks.next(next + 1);
    }

    /** Waits for what is still being read and gives the memory back. */
    @Override
    public void close() {
        reading.forEach(piece -> disk.settle(piece.read));
        arena.close();
    }
}
