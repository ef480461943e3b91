// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import dev.varve.vdi.vhd.VhdFooter;
import dev.varve.vdi.vhd.VhdHeader;
import dev.varve.vdi.vhd.VhdStream;

import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * A dynamic or differencing VHD. The header and the block allocation table come first; the blocks
 * are taken in the order in which they lie in the stream, whatever parts of the disk they are. What
 * lies between is passed over.
 *
 * <p>Takes 8 bytes of memory for each block that is there: 4 MiB for 1 TiB of data in blocks of 2
 * MiB.
 */
final class DynamicVhdImport extends StreamImport {
    /** The most blocks of a disk, as for images that are served. */
    private static final int MOST_BLOCKS = 1 << 23;

    private static final int INDEX_BITS = 31;
    private static final int UNUSED = -1;
    private static final int SECTOR = VhdFooter.BYTES;
    private static final int TABLE_STEP_BYTES = 64 << 10;

    private final VhdFooter footer;

    /**
     * @param footer the one at the start, which was read already
     */
    DynamicVhdImport(StreamInput input, VhdFooter footer) {
        super(input, footer.type() == VhdFooter.Type.DIFFERENCING);
        this.footer = footer;
    }

    @Override
    void copy(StreamInput stream, DiskWriter writer, DiskIo disk) {
        long size = footer.currentSize();
        if (size <= 0 || size % SECTOR != 0 || size > VhdStream.maximumBytes()) {
            throw StreamInput.bad(
                    "the footer at byte 0 of the stream gives a disk of %s bytes"
                            .formatted(Long.toUnsignedString(size)));
        }
        requireRoom(disk, size);
        VhdHeader header = header(stream);
        long[] blocks = blocks(stream, header);
        refuseEncrypted(stream, header, blocks);
        long end =
                blocks.length == 0
                        ? stream.position()
                        : place(blocks[blocks.length - 1])
                                + header.bitmapBytes()
                                + header.blockBytes();
        if (stream.lengthBytes() != UNKNOWN_LENGTH && end > stream.lengthBytes()) {
            // The last block of the disk may be cut off behind the disk's end.
            end = stream.lengthBytes();
        }
        for (long block : blocks) {
            copyBlock(stream, header, block, writer);
            stream.progress(end);
        }
        stream.drain();
    }

    private VhdHeader header(StreamInput stream) {
        long at = footer.dataOffset();
        if (at < stream.position() || at % SECTOR != 0 || at > Integer.MAX_VALUE) {
            throw StreamInput.bad(
                    "the footer at byte 0 of the stream puts the header at the impossible offset "
                            + Long.toUnsignedString(at));
        }
        stream.skipTo(at, "what lies before the header");
        byte[] bytes = stream.bytes(VhdHeader.BYTES, "the header");
        return StreamInput.parse("the header", at, () -> VhdHeader.parse(bytes));
    }

    /** The places of the blocks in order, each with its number. */
    private long[] blocks(StreamInput stream, VhdHeader header) {
        long count = (footer.currentSize() + header.blockBytes() - 1) / header.blockBytes();
        if (count > Math.min(MOST_BLOCKS, header.maxTableEntries())) {
            throw StreamInput.bad(
                    "the disk has %d blocks, the table has %d entries and %d can be taken"
                            .formatted(count, header.maxTableEntries(), MOST_BLOCKS));
        }
        if (header.tableOffset() < stream.position()) {
            throw StreamInput.bad(
                    ("the block allocation table lies at byte %d, before the header; such an image"
                                    + " cannot be read as a stream: convert it with qemu-img first")
                            .formatted(header.tableOffset()));
        }
        stream.skipTo(header.tableOffset(), "what lies before the block allocation table");
        long[] found = new long[1024];
        int used = 0;
        ByteBuffer entries = ByteBuffer.allocate(TABLE_STEP_BYTES);
        for (long i = 0; i < count; ) {
            entries.clear().limit((int) Math.min(TABLE_STEP_BYTES, 4 * (count - i)));
            stream.fill(entries, "the block allocation table");
            entries.flip();
            for (; entries.hasRemaining(); i++) {
                int sector = entries.getInt();
                if (sector != UNUSED) {
                    found = used == found.length ? Arrays.copyOf(found, 2 * used) : found;
                    found[used++] = Integer.toUnsignedLong(sector) << INDEX_BITS | i;
                }
            }
        }
        long[] blocks = Arrays.copyOf(found, used);
        Arrays.sort(blocks);
        return blocks;
    }

    private static long place(long block) {
        return (block >>> INDEX_BITS) * SECTOR;
    }

    private static int index(long block) {
        return (int) (block & Integer.MAX_VALUE);
    }

    /** The data of such an image is that of nobody without its key. */
    private static void refuseEncrypted(StreamInput stream, VhdHeader header, long[] blocks) {
        long at = header.tableOffset() + header.tableBytes();
        if (blocks.length == 0 || place(blocks[0]) < at + SECTOR) {
            return;
        }
        stream.skipTo(at, "the rest of the block allocation table");
        byte[] sector = stream.bytes(SECTOR, "what follows the block allocation table");
        if (VhdStream.isEncrypted(sector)) {
            throw StreamInput.bad("the image is encrypted; encrypted images cannot be imported");
        }
    }

    private void copyBlock(StreamInput stream, VhdHeader header, long block, DiskWriter writer) {
        int index = index(block);
        long at = place(block);
        if (at < stream.position()) {
            throw StreamInput.bad(
                    ("block %d of the disk lies at byte %d of the stream, inside what ends at byte"
                                    + " %d")
                            .formatted(index, at, stream.position()));
        }
        stream.skipTo(at, "what lies before block " + index);
        byte[] bitmap = stream.bytes(header.bitmapBytes(), "the bitmap of block " + index);
        long from = (long) index * header.blockBytes();
        int length = (int) Math.min(header.blockBytes(), footer.currentSize() - from);
        for (int done = 0; done < length; ) {
            int part = Math.min(DiskWriter.PIECE_BYTES, length - done);
            ByteBuffer buffer = writer.buffer();
            stream.fill(buffer.limit(part), "block " + index);
            writer.write(from + done, part, bitmap, done / SECTOR);
            done += part;
        }
    }
}
