// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.util.List;
import java.util.function.Supplier;

/**
 * A stream that comes in, and how far it was read. Whatever is wrong with it is said with the place
 * in the stream.
 *
 * <p><b>Threads:</b> one.
 */
final class StreamInput {
    private static final int SKIP_BYTES = 64 << 10;

    private final ReadableByteChannel source;
    private final Operation operation;
    private final long lengthBytes;
    private final ByteBuffer skipped = ByteBuffer.allocate(SKIP_BYTES);
    private long position;

    /**
     * @param lengthBytes how long the stream is said to be, or {@link StreamImport#UNKNOWN_LENGTH}
     */
    StreamInput(ReadableByteChannel source, long lengthBytes, Operation operation) {
        this.source = source;
        this.lengthBytes = lengthBytes;
        this.operation = operation;
    }

    /** How long the stream is said to be. */
    long lengthBytes() {
        return lengthBytes;
    }

    /** How many bytes were read. */
    long position() {
        return position;
    }

    /** Says how far the import is, when the whole is known. */
    void progress(long expectedBytes) {
        long whole = lengthBytes == StreamImport.UNKNOWN_LENGTH ? expectedBytes : lengthBytes;
        operation.progress(Math.min(position, whole), whole);
    }

    /**
     * Reads until the buffer is full or the stream ends.
     *
     * @return how many bytes were read
     */
    int read(ByteBuffer target) {
        int before = target.position();
        while (target.hasRemaining() && readSome(target) >= 0) {
            operation.checkpoint();
        }
        return target.position() - before;
    }

    private int readSome(ByteBuffer target) {
        try {
            int count = source.read(target);
            position += Math.max(0, count);
            return count;
        } catch (IOException e) {
            // Whoever cancels also ends the connection.
            operation.checkpoint();
            throw new StorageException(
                    ErrorCode.IMPORT_ERROR_GENERIC,
                    List.of(
                            "the stream broke off after %d bytes: %s; nothing was changed"
                                    .formatted(position, e.getMessage())),
                    e);
        }
    }

    /** Fills the buffer. */
    void fill(ByteBuffer target, String what) {
        long begin = position;
        if (read(target) == 0 && !target.hasRemaining()) {
            return;
        }
        if (target.hasRemaining()) {
            throw bad(
                    "the stream ends at byte %d, inside %s, which begins at byte %d"
                            .formatted(position, what, begin));
        }
    }

    /** The next bytes. */
    byte[] bytes(int count, String what) {
        byte[] bytes = new byte[count];
        fill(ByteBuffer.wrap(bytes), what);
        return bytes;
    }

    /** Goes on at a place that is not behind. */
    void skipTo(long offset, String what) {
        while (position < offset) {
            skipped.clear().limit((int) Math.min(SKIP_BYTES, offset - position));
            fill(skipped, what);
        }
    }

    /** Reads what is left. */
    void drain() {
        do {
            skipped.clear();
        } while (read(skipped) > 0);
    }

    /** Parses what was read; whatever is wrong with it is wrong with the stream. */
    static <T> T parse(String what, long offset, Supplier<T> parser) {
        try {
            return parser.get();
        } catch (StorageException e) {
            if (e.code() != ErrorCode.VDI_LOAD) {
                throw e;
            }
            throw bad("%s at byte %d of the stream: %s".formatted(what, offset, e.params().get(1)));
        }
    }

    /** What is wrong with the stream. */
    static StorageException bad(String problem) {
        return ErrorCode.IMPORT_ERROR_GENERIC.with(problem + "; nothing was changed");
    }
}
