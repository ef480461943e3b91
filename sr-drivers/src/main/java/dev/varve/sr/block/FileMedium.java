// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.block;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.RawFileDevice;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.io.IoFile;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Optional;

/**
 * A block device of this host, or a plain file that stands for one, past the page cache where that
 * is possible.
 *
 * <p><b>Threads:</b> any.
 */
public final class FileMedium implements BlockMedium {
    private static final int ZERO_BYTES = 1 << 20;
    private static final int MEMORY_ALIGNMENT = 4096;

    private final Path path;
    private final int blockBytes;
    private final boolean writable;
    private final int fd;
    private final RawFileDevice device;

    private FileMedium(
            Path path, int blockBytes, boolean writable, int fd, RawFileDevice device) {
        this.path = path;
        this.blockBytes = blockBytes;
        this.writable = writable;
        this.fd = fd;
        this.device = device;
    }

    /**
     * Opens a device that is there.
     *
     * @param blockBytes its logical block in bytes
     */
    public static FileMedium open(Path path, int blockBytes, boolean writable) {
        IoFile file = IoFile.open(path, writable, true);
        int mode = (writable ? Libc.O_RDWR : Libc.O_RDONLY) | Libc.O_CLOEXEC;
        int fd = Libc.open(path.toString(), file.isDirect() ? mode | Libc.O_DIRECT : mode);
        if (fd < 0) {
            file.close();
            throw failure(fd, "cannot open " + path);
        }
        return new FileMedium(path, blockBytes, writable, fd, new RawFileDevice(file, writable));
    }

    private static StorageException failure(long error, String what) {
        String message = what + ": " + Libc.errorName((int) error);
        return switch ((int) -error) {
            case Libc.EROFS, Libc.EACCES, Libc.EPERM ->
                    ErrorCode.SR_NOT_WRITABLE.because(message);
            case Libc.ENOENT -> ErrorCode.SR_UNAVAILABLE.because(message);
            default -> ErrorCode.SR_IO_ERROR.because(message);
        };
    }

    @Override
    public String name() {
        return path.toString();
    }

    @Override
    public long sizeBytes() {
        long size = Libc.size(fd);
        if (size < 0) {
            throw failure(size, "cannot get the size of " + path);
        }
        return size / blockBytes * blockBytes;
    }

    @Override
    public int blockBytes() {
        return blockBytes;
    }

    @Override
    public boolean isWritable() {
        return writable;
    }

    // ---- bytes

    @Override
    public byte[] read(long offset, int length) {
        long start = offset / blockBytes * blockBytes;
        long end = roundUp(offset + length);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(Math.max(1, end - start), MEMORY_ALIGNMENT);
            readBlocks(memory, start, end - start);
            return memory.asSlice(offset - start, length).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    @Override
    public synchronized void write(long offset, byte[] data) {
        if (data.length == 0) {
            return;
        }
        long start = offset / blockBytes * blockBytes;
        long end = roundUp(offset + data.length);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(end - start, MEMORY_ALIGNMENT);
            if (start < offset) {
                readBlocks(memory, start, blockBytes);
            }
            if (offset + data.length < end) {
                long last = end - blockBytes - start;
                readBlocks(memory.asSlice(last), start + last, blockBytes);
            }
            MemorySegment.copy(
                    data, 0, memory, ValueLayout.JAVA_BYTE, offset - start, data.length);
            writeBlocks(memory, start, end - start);
        }
    }

    private long roundUp(long offset) {
        return (offset + blockBytes - 1) / blockBytes * blockBytes;
    }

    private void readBlocks(MemorySegment memory, long offset, long length) {
        for (long done = 0; done < length; ) {
            long result =
                    Libc.pread(fd, memory.address() + done, length - done, offset + done);
            if (result <= 0) {
                throw failure(
                        result == 0 ? -Libc.EIO : result,
                        "cannot read %d bytes at %d of %s".formatted(length, offset, path));
            }
            done += result;
        }
    }

    private void writeBlocks(MemorySegment memory, long offset, long length) {
        for (long done = 0; done < length; ) {
            long result =
                    Libc.pwrite(fd, memory.address() + done, length - done, offset + done);
            if (result <= 0) {
                throw failure(
                        result == 0 ? -Libc.EIO : result,
                        "cannot write %d bytes at %d of %s".formatted(length, offset, path));
            }
            done += result;
        }
    }

    @Override
    public void flush() {
        int result = Libc.fdatasync(fd);
        if (result < 0) {
            throw failure(result, "cannot make durable what was written to " + path);
        }
    }

    /** On a block device the kernel sends a command that zeroes, or zeros. */
    @Override
    public void zero(long offset, long length) {
        int mode = Libc.FALLOC_FL_ZERO_RANGE | Libc.FALLOC_FL_KEEP_SIZE;
        int result = Libc.fallocate(fd, mode, offset, length);
        if (result == -Libc.EOPNOTSUPP) {
            writeZeros(offset, length);
        } else if (result < 0) {
            throw failure(result, "cannot zero %d bytes at %d of %s".formatted(length, offset, path));
        }
    }

    private void writeZeros(long offset, long length) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment zeros = arena.allocate(Math.min(ZERO_BYTES, length), MEMORY_ALIGNMENT);
            for (long done = 0; done < length; ) {
                long part = Math.min(zeros.byteSize(), length - done);
                writeBlocks(zeros, offset + done, part);
                done += part;
            }
        }
    }

    @Override
    public void discard(long offset, long length) {
        int mode = Libc.FALLOC_FL_PUNCH_HOLE | Libc.FALLOC_FL_KEEP_SIZE;
        int result = Libc.fallocate(fd, mode, offset, length);
        if (result < 0 && result != -Libc.EOPNOTSUPP) {
            throw failure(
                    result, "cannot discard %d bytes at %d of %s".formatted(length, offset, path));
        }
    }

    @Override
    public boolean canDiscard() {
        return writable;
    }

    // ---- as a device

    @Override
    public BlockDevice device() {
        return device;
    }

    @Override
    public Optional<Reservations> reservations() {
        return Optional.empty();
    }

    @Override
    public void check() {
        read(0, blockBytes);
    }

    @Override
    public void close() {
        Libc.close(fd);
        device.close();
    }
}
