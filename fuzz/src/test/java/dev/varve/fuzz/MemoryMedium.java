// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.Reservations;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockDevice;

import java.util.Arrays;
import java.util.Optional;

/** A device in memory, whose ends are watched. */
final class MemoryMedium implements BlockMedium {
    private final byte[] bytes;

    MemoryMedium(int sizeBytes) {
        bytes = new byte[sizeBytes];
    }

    @Override
    public String name() {
        return "memory";
    }

    @Override
    public long sizeBytes() {
        return bytes.length;
    }

    @Override
    public int blockBytes() {
        return 512;
    }

    @Override
    public boolean isWritable() {
        return true;
    }

    @Override
    public byte[] read(long offset, int length) {
        requireWithin(offset, length);
        return Arrays.copyOfRange(bytes, (int) offset, (int) offset + length);
    }

    @Override
    public void write(long offset, byte[] data) {
        requireWithin(offset, data.length);
        System.arraycopy(data, 0, bytes, (int) offset, data.length);
    }

    private void requireWithin(long offset, long length) {
        if (offset < 0 || length < 0 || offset > bytes.length - length) {
            throw new AssertionError("%d bytes at %d".formatted(length, offset));
        }
    }

    @Override
    public void flush() {}

    @Override
    public void zero(long offset, long length) {
        write(offset, new byte[(int) length]);
    }

    @Override
    public void discard(long offset, long length) {
        requireWithin(offset, length);
    }

    @Override
    public boolean canDiscard() {
        return false;
    }

    @Override
    public BlockDevice device() {
        throw ErrorCode.SR_NOT_IMPLEMENTED.because("there are no disks on it");
    }

    @Override
    public Optional<Reservations> reservations() {
        return Optional.empty();
    }

    @Override
    public void check() {}

    @Override
    public void close() {}
}
