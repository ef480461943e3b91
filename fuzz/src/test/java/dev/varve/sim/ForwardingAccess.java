// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.image.BlockAccess;

import java.util.function.Consumer;

/** Access to a volume that passes everything on, for defects that change a part of it. */
class ForwardingAccess implements BlockAccess {
    private final BlockAccess access;

    ForwardingAccess(BlockAccess access) {
        this.access = access;
    }

    @Override
    public long sizeBytes() {
        return access.sizeBytes();
    }

    @Override
    public byte[] read(long offset, int length) {
        return access.read(offset, length);
    }

    @Override
    public void write(long offset, byte[] data) {
        access.write(offset, data);
    }

    @Override
    public void zero(long offset, long length) {
        access.zero(offset, length);
    }

    @Override
    public void flush() {
        access.flush();
    }

    @Override
    public void grow(long sizeBytes) {
        access.grow(sizeBytes);
    }

    @Override
    public void shrink(long sizeBytes) {
        access.shrink(sizeBytes);
    }

    @Override
    public long sizeAfterShrink(long sizeBytes) {
        return access.sizeAfterShrink(sizeBytes);
    }

    @Override
    public void await(Consumer<Runnable> work) {
        access.await(work);
    }
}
