// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.disk.DiskDifference;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.vhd.VhdFormat;
import dev.varve.vdi.vhd.VhdStream;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.Optional;
import java.util.UUID;

/**
 * A disk as one VHD, whatever number of images it consists of: a dynamic one, or a differencing one
 * over another disk. Its layout is that of {@link VhdStream}.
 *
 * <p>The unique id of the image is the UUID of the disk. A differencing image names the UUID of the
 * base as its parent's, and {@code UUID.vhd} in its own directory as its parent's file; so two
 * streams that are kept under these names make a chain for other programs.
 */
public final class VhdExport implements DiskExport {
    private final DiskIo disk;
    private final BlockSet blocks;
    private final VhdStream layout;

    private VhdExport(DiskIo disk, BlockSet blocks, VhdStream layout) {
        this.disk = disk;
        this.blocks = blocks;
        this.layout = layout;
    }

    /**
     * All that a disk holds.
     *
     * @throws dev.varve.vdi.StorageException VDI_TOO_LARGE when no VHD can hold it
     */
    public static VhdExport of(ActiveVdi disk, VhdFormat format, Operation operation) {
        DiskIo io = sized(disk);
        BlockSet blocks = BlockSet.withData(io, operation);
        return new VhdExport(
                io,
                blocks,
                format.stream(disk.uuid(), io.sizeBytes(), Optional.empty(), blocks.toBits()));
    }

    /**
     * What a disk holds where it may differ from another one. Whole blocks: over the other disk's
     * content they give the disk's content.
     *
     * @throws dev.varve.vdi.StorageException VDI_TOO_LARGE when no VHD can hold it
     */
    public static VhdExport of(DiskDifference difference, VhdFormat format, Operation operation) {
        DiskIo io = sized(difference.disk());
        BlockSet blocks = ChangedBlocks.of(difference, operation);
        UUID base = difference.base().uuid();
        ParentLink parent = new ParentLink(base + ".vhd", base);
        return new VhdExport(
                io,
                blocks,
                format.stream(
                        difference.disk().uuid(),
                        io.sizeBytes(),
                        Optional.of(parent),
                        blocks.toBits()));
    }

    private static DiskIo sized(ActiveVdi disk) {
        DiskIo io = new DiskIo(disk);
        if (io.sizeBytes() > VhdStream.maximumBytes()) {
            throw ErrorCode.VDI_TOO_LARGE.with(
                    disk.uuid().toString(), Long.toString(VhdStream.maximumBytes()));
        }
        return io;
    }

    @Override
    public long lengthBytes() {
        return layout.lengthBytes();
    }

    @Override
    public void writeTo(WritableByteChannel sink, Operation operation) throws IOException {
        byte[] head = layout.head();
        Sinks.write(sink, ByteBuffer.wrap(head));
        long done = head.length;
        ByteBuffer gap = ByteBuffer.allocate(VhdStream.GAP_BYTES);
        try (BlockReader reader = new BlockReader(disk, blocks)) {
            for (BlockReader.Piece piece = reader.take(); piece != null; piece = reader.take()) {
                operation.checkpoint();
                MemorySegment block = withBitmap(piece);
                Sinks.write(sink, block.asByteBuffer());
                Sinks.write(sink, gap.clear());
                done += block.byteSize() + VhdStream.GAP_BYTES;
                operation.progress(done, lengthBytes());
            }
        }
        Sinks.write(sink, ByteBuffer.wrap(layout.footer()));
        operation.progress(lengthBytes(), lengthBytes());
    }

    /** The bitmap is put right in front of the data, so that both go out together. */
    private MemorySegment withBitmap(BlockReader.Piece piece) {
        int from = BlockReader.HEAD_BYTES - VhdStream.BITMAP_BYTES;
        byte[] bitmap = layout.bitmap(piece.block());
        MemorySegment.copy(
                MemorySegment.ofArray(bitmap), 0, piece.memory(), from, VhdStream.BITMAP_BYTES);
        return piece.memory().asSlice(from, VhdStream.BITMAP_BYTES + (long) BlockSet.BLOCK_BYTES);
    }
}
