// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.block;

import dev.varve.vdi.ffi.Libc;

/**
 * The transfers of an open file.
 *
 * <p><b>Threads:</b> any.
 *
 * @param descriptor the open file, which is closed by whoever opened it
 */
public record DescriptorTransfers(int descriptor) implements BlockTransfers {
    @Override
    public long read(long address, long length, long offset) {
        return Libc.pread(descriptor, address, length, offset);
    }

    @Override
    public long write(long address, long length, long offset) {
        return Libc.pwrite(descriptor, address, length, offset);
    }

    @Override
    public int flush() {
        return Libc.fdatasync(descriptor);
    }

    @Override
    public int allocate(int mode, long offset, long length) {
        return Libc.fallocate(descriptor, mode, offset, length);
    }

    @Override
    public long size() {
        return Libc.size(descriptor);
    }
}
