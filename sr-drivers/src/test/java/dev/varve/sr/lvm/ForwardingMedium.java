// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.Reservations;
import dev.varve.vdi.block.BlockDevice;

import java.util.Optional;

/** A medium that passes everything on, for tests that change a part of that. */
public class ForwardingMedium implements BlockMedium {
    protected final BlockMedium next;

    protected ForwardingMedium(BlockMedium next) {
        this.next = next;
    }

    @Override
    public String name() {
        return next.name();
    }

    @Override
    public long sizeBytes() {
        return next.sizeBytes();
    }

    @Override
    public int blockBytes() {
        return next.blockBytes();
    }

    @Override
    public boolean isWritable() {
        return next.isWritable();
    }

    @Override
    public byte[] read(long offset, int length) {
        return next.read(offset, length);
    }

    @Override
    public void write(long offset, byte[] data) {
        next.write(offset, data);
    }

    @Override
    public void flush() {
        next.flush();
    }

    @Override
    public void zero(long offset, long length) {
        next.zero(offset, length);
    }

    @Override
    public void discard(long offset, long length) {
        next.discard(offset, length);
    }

    @Override
    public boolean canDiscard() {
        return next.canDiscard();
    }

    @Override
    public BlockDevice device() {
        return next.device();
    }

    @Override
    public Optional<Reservations> reservations() {
        return next.reservations();
    }

    @Override
    public void check() {
        next.check();
    }

    @Override
    public void close() {
        next.close();
    }
}
