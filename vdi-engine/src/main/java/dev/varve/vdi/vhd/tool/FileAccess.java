// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd.tool;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.image.BlockAccess;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A file or a block device for code that may wait. A block device keeps its size.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class FileAccess implements BlockAccess, AutoCloseable {
    private static final int ZERO_BYTES = 1 << 20;

    private final Path file;
    private final FileChannel channel;
    private final boolean regular;

    private FileAccess(Path file, FileChannel channel) {
        this.file = file;
        this.channel = channel;
        this.regular = Files.isRegularFile(file);
    }

    /** Opens a file that is there. */
    static FileAccess open(Path file, boolean writable) {
        if (Files.isDirectory(file)) {
            throw ErrorCode.VDI_LOAD.because(file + " is a directory; name a file");
        }
        try {
            return new FileAccess(
                    file,
                    writable
                            ? FileChannel.open(
                                    file, StandardOpenOption.READ, StandardOpenOption.WRITE)
                            : FileChannel.open(file, StandardOpenOption.READ));
        } catch (NoSuchFileException e) {
            throw ErrorCode.VDI_LOAD.because("there is no file " + file, e);
        } catch (IOException e) {
            throw ErrorCode.VDI_LOAD.because(file + " cannot be opened: " + e, e);
        }
    }

    @Override
    public long sizeBytes() {
        try {
            return channel.size();
        } catch (IOException e) {
            throw failed("the size", e);
        }
    }

    @Override
    public byte[] read(long offset, int length) {
        ByteBuffer buffer = ByteBuffer.allocate(length);
        try {
            while (buffer.hasRemaining()) {
                if (channel.read(buffer, offset + buffer.position()) < 0) {
                    throw ErrorCode.SR_IO_ERROR.because(
                            "%s ends before byte %d".formatted(file, offset + length));
                }
            }
        } catch (IOException e) {
            throw failed("reading %d bytes at %d".formatted(length, offset), e);
        }
        return buffer.array();
    }

    @Override
    public void write(long offset, byte[] data) {
        grow(offset + data.length);
        ByteBuffer buffer = ByteBuffer.wrap(data);
        try {
            while (buffer.hasRemaining()) {
                channel.write(buffer, offset + buffer.position());
            }
        } catch (IOException e) {
            throw failed("writing %d bytes at %d".formatted(data.length, offset), e);
        }
    }

    @Override
    public void zero(long offset, long length) {
        for (long at = 0; at < length; at += ZERO_BYTES) {
            write(offset + at, new byte[(int) Math.min(ZERO_BYTES, length - at)]);
        }
    }

    @Override
    public void flush() {
        try {
            channel.force(true);
        } catch (IOException e) {
            throw failed("making writes durable", e);
        }
    }

    @Override
    public void grow(long sizeBytes) {
        long size = sizeBytes();
        if (sizeBytes <= size) {
            return;
        }
        if (!regular) {
            throw ErrorCode.SR_NO_SPACE.because(
                    "%s has %d bytes, needed are %d".formatted(file, size, sizeBytes));
        }
        try {
            channel.write(ByteBuffer.allocate(1), sizeBytes - 1);
        } catch (IOException e) {
            throw failed("growing to %d bytes".formatted(sizeBytes), e);
        }
    }

    @Override
    public void shrink(long sizeBytes) {
        if (regular && sizeBytes < sizeBytes()) {
            try {
                channel.truncate(sizeBytes);
            } catch (IOException e) {
                throw failed("cutting it to %d bytes".formatted(sizeBytes), e);
            }
        }
    }

    private StorageException failed(String what, IOException reason) {
        return ErrorCode.SR_IO_ERROR.because(file + ": " + what + ": " + reason, reason);
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            throw failed("closing it", e);
        }
    }
}
