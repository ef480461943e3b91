// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;

import java.util.Arrays;

/**
 * The bytes of a logical volume, for code of the repository, which may wait.
 *
 * <p><b>Threads:</b> any; calls block on the medium.
 *
 * <p><b>Durability:</b> as the medium has it: with a flush.
 */
final class VolumeBytes {
    private final BlockMedium medium;
    private final ExtentMap map;

    VolumeBytes(BlockMedium medium, ExtentMap map) {
        this.medium = medium;
        this.map = map;
    }

    /** How large the volume is, in bytes. */
    long sizeBytes() {
        return map.sizeBytes();
    }

    /** Reads bytes that lie within the volume. */
    byte[] read(long offset, int length) {
        byte[] bytes = new byte[length];
        int done = 0;
        while (done < length) {
            int piece = map.piece(offset + done);
            int part = (int) Math.min(length - done, map.end(piece) - offset - done);
            byte[] read = medium.read(map.onMedium(piece, offset + done), part);
            System.arraycopy(read, 0, bytes, done, part);
            done += part;
        }
        return bytes;
    }

    /** Writes bytes that lie within the volume. */
    void write(long offset, byte[] bytes) {
        int done = 0;
        while (done < bytes.length) {
            int piece = map.piece(offset + done);
            int part = (int) Math.min(bytes.length - done, map.end(piece) - offset - done);
            medium.write(
                    map.onMedium(piece, offset + done),
                    Arrays.copyOfRange(bytes, done, done + part));
            done += part;
        }
    }
}
