// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.image.BlockAccess;

import java.util.Arrays;

/** A volume in memory, which refuses what a device would refuse. */
final class MemoryAccess implements BlockAccess {
    private byte[] content;

    MemoryAccess(byte[] content) {
        this.content = content;
    }

    byte[] content() {
        return content;
    }

    @Override
    public long sizeBytes() {
        return content.length;
    }

    private void check(long offset, long length) {
        if (offset < 0
                || length < 0
                || offset > content.length - length
                || (offset | length) % 512 != 0) {
            throw ErrorCode.SR_IO_ERROR.because(
                    "%d bytes at %d are not acceptable".formatted(length, offset));
        }
    }

    @Override
    public byte[] read(long offset, int length) {
        check(offset, length);
        return Arrays.copyOfRange(content, (int) offset, (int) offset + length);
    }

    @Override
    public void write(long offset, byte[] data) {
        grow(offset + data.length);
        check(offset, data.length);
        System.arraycopy(data, 0, content, (int) offset, data.length);
    }

    @Override
    public void zero(long offset, long length) {
        check(offset, length);
        Arrays.fill(content, (int) offset, (int) (offset + length), (byte) 0);
    }

    @Override
    public void flush() {}

    @Override
    public void grow(long sizeBytes) {
        if (sizeBytes > content.length) {
            content = Arrays.copyOf(content, Math.toIntExact(sizeBytes));
        }
    }

    @Override
    public void shrink(long sizeBytes) {
        if (sizeBytes < content.length) {
            content = Arrays.copyOf(content, (int) sizeBytes);
        }
    }
}
