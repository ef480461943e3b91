// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import dev.varve.vdi.vhd.VhdFooter;

import java.nio.ByteBuffer;

/** A fixed VHD: all bytes of the disk in order, then a footer, which nothing announces. */
final class FixedVhdImport extends StreamImport {
    private static final int SECTOR = VhdFooter.BYTES;

    private byte[] ahead;

    /**
     * @param first the first sector, which was read already
     */
    FixedVhdImport(StreamInput input, byte[] first) {
        super(input, false);
        this.ahead = first;
    }

    /** A piece is written when it is known that a whole sector follows, which may be the footer. */
    @Override
    void copy(StreamInput stream, DiskWriter writer, DiskIo disk) {
        long at = 0;
        while (true) {
            ByteBuffer buffer = writer.buffer();
            buffer.put(ahead);
            int count = ahead.length + stream.read(buffer);
            ahead = count == DiskWriter.PIECE_BYTES ? ahead(stream) : new byte[0];
            boolean last = ahead.length == 0;
            int length = last ? count - SECTOR : count;
            if (last) {
                requireFooter(buffer, at + length, length);
            }
            requireRoom(disk, at + length);
            if (length > 0) {
                writer.write(at, length);
            }
            at += length;
            stream.progress(disk.sizeBytes());
            if (last) {
                return;
            }
        }
    }

    private static byte[] ahead(StreamInput stream) {
        ByteBuffer sector = ByteBuffer.allocate(SECTOR);
        int count = stream.read(sector);
        if (count != 0 && count != SECTOR) {
            throw noVhd(stream.position());
        }
        return count == 0 ? new byte[0] : sector.array();
    }

    private static void requireFooter(ByteBuffer buffer, long sizeBytes, int at) {
        byte[] last = new byte[SECTOR];
        if (sizeBytes % SECTOR != 0 || sizeBytes == 0) {
            throw noVhd(sizeBytes + SECTOR);
        }
        buffer.get(at, last);
        if (!VhdFooter.isFooter(last)) {
            throw noVhd(sizeBytes + SECTOR);
        }
        VhdFooter footer =
                StreamInput.parse(
                        "the footer",
                        sizeBytes,
                        () -> VhdFooter.parse(last, "the footer at the end"));
        if (footer.type() != VhdFooter.Type.FIXED || footer.currentSize() != sizeBytes) {
            throw StreamInput.bad(
                    ("the footer at byte %d of the stream is that of a %s disk of %d bytes, before"
                                    + " it are %d bytes of a fixed one")
                            .formatted(
                                    sizeBytes,
                                    footer.type().name().toLowerCase(java.util.Locale.ROOT),
                                    footer.currentSize(),
                                    sizeBytes));
        }
    }

    private static RuntimeException noVhd(long length) {
        return StreamInput.bad(
                ("the stream of %d bytes is no VHD, or not all of one: it neither begins nor ends"
                                + " with a footer ('conectix'); for plain content there is"
                                + " format=raw")
                        .formatted(length));
    }
}
