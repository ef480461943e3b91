// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import java.nio.ByteBuffer;

/**
 * All bytes of a disk from its start on. Where the stream ends before the disk the rest is zero.
 */
final class RawImport extends StreamImport {
    RawImport(StreamInput input) {
        super(input, false);
    }

    @Override
    void copy(StreamInput input, DiskWriter writer, DiskIo disk) {
        if (input.lengthBytes() != UNKNOWN_LENGTH) {
            requireRoom(disk, input.lengthBytes());
        }
        long at = 0;
        while (true) {
            ByteBuffer buffer = writer.buffer();
            int count = input.read(buffer);
            if (count == 0) {
                break;
            }
            int length = padToSector(buffer, count);
            requireRoom(disk, at + length);
            writer.write(at, length);
            at += count;
            input.progress(disk.sizeBytes());
            if (count < DiskWriter.PIECE_BYTES) {
                break;
            }
        }
        if (at == 0) {
            throw StreamInput.bad("the stream is empty");
        }
    }

    /** Fills the last sector of a stream with zeros. */
    private static int padToSector(ByteBuffer buffer, int count) {
        int length = (count + 511) / 512 * 512;
        for (int i = count; i < length; i++) {
            buffer.put(i, (byte) 0);
        }
        return length;
    }
}
