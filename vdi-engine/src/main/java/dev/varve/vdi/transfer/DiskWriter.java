// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import dev.varve.vdi.block.BlockOp;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes pieces to a disk, several at once, in memory that does not depend on the size of the disk:
 * {@link #DEPTH} buffers of {@link #PIECE_BYTES}.
 *
 * <p><b>Invariants:</b> of two pieces that overlap the later one counts.
 *
 * <p><b>Threads:</b> one.
 */
final class DiskWriter implements AutoCloseable {
    /** The size of a buffer, in bytes. */
    static final int PIECE_BYTES = 1 << 20;

    /** How many pieces are written or wait for their content. */
    static final int DEPTH = 8;

    /** Zeros are left out in units of this size; less would make the disk's metadata ragged. */
    private static final int ZERO_UNIT = 4096;

    private static final MemorySegment ZEROS = Arena.global().allocate(ZERO_UNIT, 4096);

    /** A buffer, and what is being written from it. */
    private static final class Piece {
        private final MemorySegment memory;
        private final List<DiskIo.Sent> writes = new ArrayList<>();
        private long from;
        private long to;

        private Piece(MemorySegment memory) {
            this.memory = memory;
        }

        private boolean overlaps(long start, long end) {
            return !writes.isEmpty() && start < to && from < end;
        }
    }

    private final DiskIo disk;
    private final boolean overZeros;
    private final Arena arena = Arena.ofShared();
    private final ArrayDeque<Piece> pieces = new ArrayDeque<>();
    private Piece current;

    /**
     * @param overZeros whether the disk reads as zero, so that zeros need not be written
     */
    DiskWriter(DiskIo disk, boolean overZeros) {
        this.disk = disk;
        this.overZeros = overZeros;
        for (int i = 0; i < DEPTH; i++) {
            pieces.add(new Piece(arena.allocate(PIECE_BYTES, 4096)));
        }
    }

    /** An empty buffer for the next piece; waits until one is free. */
    ByteBuffer buffer() {
        if (current == null) {
            current = pieces.remove();
            settle(current);
        }
        return current.memory.asByteBuffer();
    }

    private void settle(Piece piece) {
        List<DiskIo.Sent> writes = List.copyOf(piece.writes);
        writes.forEach(disk::settle);
        piece.writes.clear();
        writes.forEach(disk::await);
    }

    /**
     * Writes the start of the buffer.
     *
     * @param offset where on the disk, in bytes, a multiple of 512
     * @param length how many bytes, a multiple of 512
     */
    void write(long offset, int length) {
        write(offset, length, null, 0);
    }

    /**
     * Writes those sectors of the buffer that a bitmap has.
     *
     * @param bitmap a bit for each sector, MSB first, or null for all
     * @param firstSector the bit of the first sector of the buffer
     */
    void write(long offset, int length, byte[] bitmap, int firstSector) {
        waitForOverlapping(offset, offset + length);
        current.from = offset;
        current.to = offset + length;
        int at = 0;
        while (at < length) {
            boolean wanted = isSet(bitmap, firstSector + at / 512);
            int end = at + 512;
            while (end < length && isSet(bitmap, firstSector + end / 512) == wanted) {
                end += 512;
            }
            if (wanted) {
                send(offset, at, end);
            }
            at = end;
        }
        pieces.add(current);
        current = null;
    }

    private static boolean isSet(byte[] bitmap, int sector) {
        return bitmap == null || (bitmap[sector >> 3] & 0x80 >> (sector & 7)) != 0;
    }

    private void waitForOverlapping(long from, long to) {
        for (Piece piece : pieces) {
            if (piece.overlaps(from, to)) {
                settle(piece);
            }
        }
    }

    private void send(long offset, int from, int to) {
        int at = from;
        while (at < to) {
            int zeros = overZeros ? span(at, to, true) : 0;
            int data = overZeros ? span(at + zeros, to, false) : to - at;
            if (data > 0) {
                current.writes.add(
                        disk.send(
                                BlockOp.WRITE,
                                offset + at + zeros,
                                data,
                                current.memory,
                                at + (long) zeros));
            }
            at += zeros + data;
        }
    }

    /** How many bytes from here on are zero, or are not, in units. */
    private int span(int from, int limit, boolean zero) {
        int at = from;
        while (at < limit && isZero(at, Math.min(ZERO_UNIT, limit - at)) == zero) {
            at = Math.min(limit, at + ZERO_UNIT);
        }
        return at - from;
    }

    private boolean isZero(int at, int length) {
        return MemorySegment.mismatch(current.memory, at, at + length, ZEROS, 0, length) < 0;
    }

    /** Waits until everything is written. */
    void finish() {
        pieces.forEach(this::settle);
    }

    /** Waits for what is under way, however it ends, and gives the memory back. */
    @Override
    public void close() {
        pieces.forEach(piece -> piece.writes.forEach(disk::settle));
        arena.close();
    }
}
