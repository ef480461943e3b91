// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;

/**
 * A new file in which blocks of zeros take no space.
 *
 * <p><b>Threads:</b> one.
 */
final class SparseFile extends OutputStream {
    private static final int BLOCK_BYTES = 64 * 1024;
    private static final byte[] ZEROS = new byte[BLOCK_BYTES];

    private final FileChannel file;
    private long size;

    private SparseFile(FileChannel file) {
        this.file = file;
    }

    /** Makes a file, in the place of what is left of an earlier one. */
    static SparseFile create(Path path) throws IOException {
        return new SparseFile(
                FileChannel.open(
                        path,
                        StandardOpenOption.CREATE,
                        StandardOpenOption.TRUNCATE_EXISTING,
                        StandardOpenOption.WRITE));
    }

    @Override
    public void write(int value) throws IOException {
        write(new byte[] {(byte) value}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
        int at = 0;
        while (at < length) {
            int count = (int) Math.min(length - at, BLOCK_BYTES - size % BLOCK_BYTES);
            if (!isZero(bytes, offset + at, count)) {
                put(bytes, offset + at, count, size);
            }
            size += count;
            at += count;
        }
    }

    private static boolean isZero(byte[] bytes, int from, int count) {
        return Arrays.equals(bytes, from, from + count, ZEROS, 0, count);
    }

    private void put(byte[] bytes, int from, int count, long at) throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(bytes, from, count);
        while (buffer.hasRemaining()) {
            file.write(buffer, at + count - buffer.remaining());
        }
    }

    /** Gives the file its whole length, also where that ends with zeros. */
    @Override
    public void close() throws IOException {
        try (file) {
            if (file.isOpen() && size > file.size()) {
                put(ZEROS, 0, 1, size - 1);
            }
        }
    }
}
