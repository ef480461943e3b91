// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.io;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.ffi.FileStatus;
import dev.varve.vdi.ffi.Libc;

import java.lang.foreign.Arena;
import java.nio.file.Path;

/**
 * An open file or block device, past the page cache where the file system allows it.
 *
 * <p>It is a descriptor and not a {@code FileChannel}: one open file serves io_uring, the pool and
 * {@code fallocate}, errors keep their number, and an interrupted thread closes nothing.
 *
 * <p><b>Threads:</b> any. The file must not be closed while operations on it are in flight.
 */
public final class IoFile implements AutoCloseable {
    private static final int SECTOR_BYTES = 512;
    private static final int PAGE_BYTES = 4096;

    private final Path path;
    private final int fd;
    private final boolean direct;
    private final int alignment;

    private IoFile(Path path, int fd, boolean direct, int alignment) {
        this.path = path;
        this.fd = fd;
        this.direct = direct;
        this.alignment = alignment;
    }

    /**
     * Opens a file that exists.
     *
     * @param direct whether to go past the page cache if the file system lets us
     */
    public static IoFile open(Path path, boolean writable, boolean direct) {
        int mode = writable ? Libc.O_RDWR : Libc.O_RDONLY;
        int fd = direct ? Libc.open(path.toString(), mode | Libc.O_DIRECT) : -Libc.EINVAL;
        boolean isDirect = fd >= 0;
        if (fd == -Libc.EINVAL) {
            fd = Libc.open(path.toString(), mode);
        }
        if (fd < 0) {
            throw failure(path, fd);
        }
        if (isDirect && !takesSectors(path, fd)) {
            // The end of a VHD is a sector of 512 bytes, which a medium with larger sectors only
            // gives
            // through the page cache.
            Libc.close(fd);
            return open(path, writable, false);
        }
        return new IoFile(path, fd, isDirect, isDirect ? SECTOR_BYTES : 1);
    }

    /**
     * Opens a block device, or a file that stands for one, past the page cache and in no other way:
     * for those who reach the same blocks by several names, each of which would have a cache of its
     * own.
     *
     * @param blockBytes the logical block of the device
     */
    public static IoFile openDirect(Path path, boolean writable, int blockBytes) {
        int mode = writable ? Libc.O_RDWR : Libc.O_RDONLY;
        int fd = Libc.open(path.toString(), mode | Libc.O_DIRECT);
        if (fd < 0) {
            throw failure(path, fd);
        }
        return new IoFile(path, fd, true, blockBytes);
    }

    private static RuntimeException failure(Path path, int error) {
        String message = "cannot open " + path + ": " + Libc.errorName(error);
        return switch (-error) {
            case Libc.ENOENT -> ErrorCode.VDI_NOT_ON_STORAGE.because(message);
            case Libc.EROFS, Libc.EACCES -> ErrorCode.SR_NOT_WRITABLE.because(message);
            default -> ErrorCode.SR_IO_ERROR.because(message);
        };
    }

    /**
     * Whether direct I/O goes by sectors of 512 bytes. A file system that does not tell is tried; a
     * file without data there passes the trial on any medium.
     */
    private static boolean takesSectors(Path path, int fd) {
        int unit = FileStatus.of(path, true).directBytes();
        if (unit > 0) {
            return unit <= SECTOR_BYTES;
        }
        try (Arena arena = Arena.ofConfined()) {
            long address = arena.allocate(SECTOR_BYTES, PAGE_BYTES).address();
            return Libc.pread(fd, address, SECTOR_BYTES, SECTOR_BYTES) >= 0;
        }
    }

    /** Where it is. */
    public Path path() {
        return path;
    }

    /** Whether it goes past the page cache. */
    public boolean isDirect() {
        return direct;
    }

    /** What offsets, lengths and memory addresses have to be multiples of, in bytes. */
    public int alignmentBytes() {
        return alignment;
    }

    /** How large it is now, in bytes. */
    public long sizeBytes() {
        long size = Libc.size(fd);
        if (size < 0) {
            throw ErrorCode.SR_IO_ERROR.because(
                    "cannot get the size of " + path + ": " + Libc.errorName((int) size));
        }
        return size;
    }

    /** Whether it has no bytes now, as a device that was unplugged. Any thread; does not wait. */
    public boolean isEmpty() {
        return Libc.size(fd) <= 0;
    }

    /** Changes its size; new space reads as zero. Blocks the caller. */
    public void truncate(long sizeBytes) {
        int result = Libc.ftruncate(fd, sizeBytes);
        if (result < 0) {
            ErrorCode code =
                    result == -Libc.ENOSPC || result == -Libc.EDQUOT || result == -Libc.EFBIG
                            ? ErrorCode.SR_NO_SPACE
                            : ErrorCode.SR_IO_ERROR;
            throw code.because(
                    "cannot set the size of "
                            + path
                            + " to "
                            + sizeBytes
                            + " bytes: "
                            + Libc.errorName(result));
        }
    }

    int fd() {
        return fd;
    }

    @Override
    public void close() {
        Libc.close(fd);
    }
}
