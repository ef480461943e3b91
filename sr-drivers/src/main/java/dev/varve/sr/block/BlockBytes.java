// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.block;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.ffi.Libc;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Bytes at any place of a device that only transfers whole blocks: the half of a {@link
 * BlockMedium} that may wait.
 *
 * <p><b>Threads:</b> any; writes go one after the other.
 *
 * <p><b>Errors:</b> those of {@link BlockMedium}.
 */
public final class BlockBytes {
    private static final int ZERO_BYTES = 1 << 20;
    private static final int MEMORY_ALIGNMENT = 4096;

    private final String name;
    private final int blockBytes;
    private final BlockTransfers transfers;

    /**
     * @param name what the device is, for messages
     * @param blockBytes its logical block
     */
    public BlockBytes(String name, int blockBytes, BlockTransfers transfers) {
        this.name = name;
        this.blockBytes = blockBytes;
        this.transfers = transfers;
    }

    /** The exception for a failure of the system. */
    static StorageException failure(long error, String what) {
        String message = what + ": " + Libc.errorName((int) error);
        return switch ((int) -error) {
            case Libc.EROFS, Libc.EACCES, Libc.EPERM -> ErrorCode.SR_NOT_WRITABLE.because(message);
            case Libc.ENOENT, Libc.ENODEV, Libc.ENXIO -> ErrorCode.SR_UNAVAILABLE.because(message);
            default -> ErrorCode.SR_IO_ERROR.because(message);
        };
    }

    /** How large the device is, in whole blocks. */
    public long size() {
        long size = transfers.size();
        if (size < 0) {
            throw failure(size, "cannot get the size of " + name);
        }
        return size / blockBytes * blockBytes;
    }

    /** See {@link BlockMedium#read}. */
    public byte[] read(long offset, int length) {
        long start = offset / blockBytes * blockBytes;
        long end = roundUp(offset + length);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(Math.max(1, end - start), MEMORY_ALIGNMENT);
            readBlocks(memory, start, end - start);
            return memory.asSlice(offset - start, length).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /** See {@link BlockMedium#write}. */
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
            MemorySegment.copy(data, 0, memory, ValueLayout.JAVA_BYTE, offset - start, data.length);
            writeBlocks(memory, start, end - start);
        }
    }

    private long roundUp(long offset) {
        return (offset + blockBytes - 1) / blockBytes * blockBytes;
    }

    private void readBlocks(MemorySegment memory, long offset, long length) {
        for (long done = 0; done < length; ) {
            long result = transfers.read(memory.address() + done, length - done, offset + done);
            if (result <= 0) {
                throw failure(
                        result == 0 ? -Libc.EIO : result,
                        "cannot read %d bytes at %d of %s".formatted(length, offset, name));
            }
            done += result;
        }
    }

    private void writeBlocks(MemorySegment memory, long offset, long length) {
        for (long done = 0; done < length; ) {
            long result = transfers.write(memory.address() + done, length - done, offset + done);
            if (result <= 0) {
                throw failure(
                        result == 0 ? -Libc.EIO : result,
                        "cannot write %d bytes at %d of %s".formatted(length, offset, name));
            }
            done += result;
        }
    }

    /** See {@link BlockMedium#flush}. */
    public void flush() {
        int result = transfers.flush();
        if (result < 0) {
            throw failure(result, "cannot make durable what was written to " + name);
        }
    }

    /** See {@link BlockMedium#zero}; where the system has no means to do it, zeros are written. */
    public void zero(long offset, long length) {
        int mode = Libc.FALLOC_FL_ZERO_RANGE | Libc.FALLOC_FL_KEEP_SIZE;
        int result = transfers.allocate(mode, offset, length);
        if (result == -Libc.EOPNOTSUPP) {
            writeZeros(offset, length);
        } else if (result < 0) {
            throw failure(
                    result, "cannot zero %d bytes at %d of %s".formatted(length, offset, name));
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

    /** See {@link BlockMedium#discard}. */
    public void discard(long offset, long length) {
        int mode = Libc.FALLOC_FL_PUNCH_HOLE | Libc.FALLOC_FL_KEEP_SIZE;
        int result = transfers.allocate(mode, offset, length);
        if (result < 0 && result != -Libc.EOPNOTSUPP) {
            throw failure(
                    result, "cannot discard %d bytes at %d of %s".formatted(length, offset, name));
        }
    }
}
