// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.Reservations;
import dev.varve.vdi.block.BlockDevice;

import java.util.Optional;

/**
 * A device that other hosts use as well, as long as this host may use it: every write looks at the
 * fence first, be it one of metadata or of a disk. So whatever takes long between two writes, the
 * second one is not made by a host that has been taken for dead meanwhile.
 *
 * <p>Metadata can still be read while the fence is closed; disks can not, because what was a disk's
 * may be another one's by then. A write that has passed the fence is out of its reach.
 *
 * <p><b>Threads:</b> as the device.
 *
 * <p><b>Errors:</b> SR_UNAVAILABLE for writes while the fence is closed.
 */
final class FencedMedium implements BlockMedium {
    private final BlockMedium next;
    private FencedDevice device;
    private volatile Optional<HostFence> fence = Optional.empty();

    /** Nothing is fenced before {@link #guard}. */
    FencedMedium(BlockMedium next) {
        this.next = next;
    }

    /** Lets through what the fence allows, from now on. Called once, before disks are opened. */
    synchronized void guard(HostFence by) {
        fence = Optional.of(by);
        if (device != null) {
            device.guard(by);
        }
    }

    private BlockMedium writable() {
        fence.ifPresent(HostFence::require);
        return next;
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
        writable().write(offset, data);
    }

    /** A flush may write again what the device has forgotten. */
    @Override
    public void flush() {
        writable().flush();
    }

    @Override
    public void zero(long offset, long length) {
        writable().zero(offset, length);
    }

    @Override
    public void discard(long offset, long length) {
        writable().discard(offset, length);
    }

    @Override
    public boolean canDiscard() {
        return next.canDiscard();
    }

    @Override
    public synchronized BlockDevice device() {
        if (device == null) {
            device = new FencedDevice(next.device());
            fence.ifPresent(device::guard);
        }
        return device;
    }

    @Override
    public Optional<Reservations> reservations() {
        return next.reservations();
    }

    @Override
    public void check() {
        next.check();
    }

    /** Nothing: whoever has the device closes it. */
    @Override
    public void close() {}
}
