// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;

import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A logical volume that is open: one user's hold on a device that others may share.
 *
 * <p><b>Threads:</b> any. Growing runs on the executor for blocking work.
 *
 * <p><b>Durability:</b> a new size is durable when the stage of {@link #grow} completes.
 */
final class LvmStoreVolume implements StoreVolume {
    private final LvmVolumeStore store;
    private final OpenVolumes.Opened opened;
    private final boolean writable;
    private final BlockDevice device;
    private final AtomicBoolean closed = new AtomicBoolean();

    LvmStoreVolume(LvmVolumeStore store, OpenVolumes.Opened opened, boolean writable) {
        this.store = store;
        this.opened = opened;
        this.writable = writable;
        this.device = new Borrowed(opened.device(), writable);
    }

    /** Its name now: an open volume can be renamed. */
    @Override
    public VolumeId id() {
        return store.nameOf(opened);
    }

    @Override
    public BlockDevice device() {
        return device;
    }

    OpenVolumes.Opened opened() {
        return opened;
    }

    boolean isClosed() {
        return closed.get();
    }

    @Override
    public CompletionStage<Long> grow(long sizeBytes) {
        requireWritable();
        return store.growth().grow(this, sizeBytes);
    }

    @Override
    public long growAheadBytes() {
        return writable ? store.growth().aheadBytes(this) : 0;
    }

    @Override
    public void shrink(long sizeBytes) {
        requireWritable();
        if (closed.get()) {
            throw ErrorCode.VDI_RESIZE.because(id() + " was closed before it could shrink");
        }
        if (sizeBytes < 0 || sizeBytes > device.geometry().sizeBytes()) {
            throw new IllegalArgumentException(id() + " cannot shrink to " + sizeBytes + " bytes");
        }
        store.growth().shrink(this, sizeBytes);
    }

    /** Whole extents; nothing is taken away where disks have all their room from the start. */
    @Override
    public long sizeAfterShrink(long sizeBytes) {
        return store.sizeAfterShrink(opened.volume(), sizeBytes);
    }

    private void requireWritable() {
        if (!writable) {
            throw new IllegalArgumentException(id() + " is open for reading only");
        }
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            store.closed(opened, writable);
        }
    }

    /** The shared device, which a user of it cannot close for the others. */
    private record Borrowed(LvmVolumeDevice shared, boolean writable) implements BlockDevice {
        private static final Set<BlockFeature> OF_WRITERS =
                EnumSet.of(
                        BlockFeature.WRITE,
                        BlockFeature.FUA,
                        BlockFeature.DISCARD,
                        BlockFeature.WRITE_ZEROES);

        @Override
        public Geometry geometry() {
            return shared.geometry();
        }

        @Override
        public Set<BlockFeature> features() {
            Set<BlockFeature> features = shared.features();
            if (writable || features.isEmpty()) {
                return features;
            }
            Set<BlockFeature> reading = EnumSet.copyOf(features);
            reading.removeAll(OF_WRITERS);
            return reading;
        }

        @Override
        public long lossEpoch() {
            return shared.lossEpoch();
        }

        @Override
        public void submit(BlockRequest request) {
            shared.submit(request);
        }

        /** Nothing: the volume closes it. */
        @Override
        public void close() {}
    }
}
