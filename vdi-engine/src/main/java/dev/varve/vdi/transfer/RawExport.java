// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import dev.varve.vdi.Operation;
import dev.varve.vdi.engine.ActiveVdi;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;

/** All bytes of a disk in order. What it does not hold is sent as zeros and not read. */
public final class RawExport implements DiskExport {
    private static final int ZERO_BYTES = 1 << 20;

    private final DiskIo disk;
    private final BlockSet blocks;

    private RawExport(DiskIo disk, BlockSet blocks) {
        this.disk = disk;
        this.blocks = blocks;
    }

    /** Finds out where a disk holds data. */
    public static RawExport of(ActiveVdi disk, Operation operation) {
        DiskIo io = new DiskIo(disk);
        return new RawExport(io, BlockSet.withData(io, operation));
    }

    @Override
    public long lengthBytes() {
        return blocks.sizeBytes();
    }

    @Override
    public void writeTo(WritableByteChannel sink, Operation operation) throws IOException {
        ByteBuffer zeros = ByteBuffer.allocateDirect(ZERO_BYTES);
        long at = 0;
        try (BlockReader reader = new BlockReader(disk, blocks)) {
            for (BlockReader.Piece piece = reader.take(); piece != null; piece = reader.take()) {
                long from = (long) piece.block() * BlockSet.BLOCK_BYTES;
                fill(sink, zeros, at, from, operation);
                int length = blocks.lengthOf(piece.block());
                operation.checkpoint();
                Sinks.write(
                        sink,
                        piece.memory().asSlice(BlockReader.HEAD_BYTES, length).asByteBuffer());
                at = from + length;
                operation.progress(at, lengthBytes());
            }
        }
        fill(sink, zeros, at, lengthBytes(), operation);
    }

    private void fill(
            WritableByteChannel sink, ByteBuffer zeros, long from, long to, Operation operation)
            throws IOException {
        for (long at = from; at < to; at += ZERO_BYTES) {
            operation.checkpoint();
            Sinks.write(sink, zeros.slice(0, (int) Math.min(ZERO_BYTES, to - at)));
            operation.progress(Math.min(to, at + ZERO_BYTES), lengthBytes());
        }
    }
}
