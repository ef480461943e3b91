// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Raw content in pieces that say where they belong. Places that no piece names are zero; a later
 * piece may overwrite an earlier one. The stream says itself that it is complete, so its length
 * need not be known.
 *
 * <table>
 * <caption>a piece, little-endian</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>8</td><td>where on the disk, bytes; a multiple of 512</td></tr>
 * <tr><td>8</td><td>4</td><td>how many bytes follow; a multiple of 512</td></tr>
 * <tr><td>12</td><td></td><td>the bytes</td></tr>
 * </table>
 *
 * Both zero: the end. Source: the {@code chunked} streams of XenServer's importer.
 */
final class ChunkedImport extends StreamImport {
    private static final int HEAD_BYTES = 12;

    ChunkedImport(StreamInput input) {
        super(input, false);
    }

    @Override
    void copy(StreamInput input, DiskWriter writer, DiskIo disk) {
        while (true) {
            long begin = input.position();
            ByteBuffer head =
                    ByteBuffer.wrap(input.bytes(HEAD_BYTES, "the head of a piece"))
                            .order(ByteOrder.LITTLE_ENDIAN);
            long offset = head.getLong(0);
            long length = Integer.toUnsignedLong(head.getInt(8));
            if (offset == 0 && length == 0) {
                break;
            }
            check(offset, length, begin, disk);
            copyPiece(input, writer, offset, length);
            input.progress(disk.sizeBytes());
        }
        input.drain();
    }

    private static void check(long offset, long length, long begin, DiskIo disk) {
        if (offset < 0 || offset % 512 != 0) {
            throw StreamInput.bad(
                    "the piece at byte %d of the stream belongs to the impossible place %s"
                            .formatted(begin, Long.toUnsignedString(offset)));
        }
        if (offset > disk.sizeBytes() - length) {
            throw tooSmall(disk, Math.min(offset, Long.MAX_VALUE - length) + length);
        }
        if (length % 512 != 0) {
            throw StreamInput.bad(
                    "the piece at byte %d of the stream has %d bytes, which is no multiple of 512"
                            .formatted(begin, length));
        }
    }

    private static void copyPiece(StreamInput input, DiskWriter writer, long offset, long length) {
        for (long done = 0; done < length; ) {
            int part = (int) Math.min(DiskWriter.PIECE_BYTES, length - done);
            ByteBuffer buffer = writer.buffer();
            input.fill(buffer.limit(part), "a piece");
            writer.write(offset + done, part);
            done += part;
        }
    }
}
