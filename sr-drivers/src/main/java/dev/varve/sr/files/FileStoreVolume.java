// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.RawFileDevice;
import dev.varve.vdi.io.IoFile;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/**
 * A volume that is open: one user's hold on a device that others may share.
 *
 * <p><b>Threads:</b> any. Growing runs on the executor for blocking work; calls that grow the same
 * volume wait for each other there.
 *
 * <p><b>Durability:</b> a new size is durable with the next flush of the device.
 */
public final class FileStoreVolume implements StoreVolume {
    /** An open file and the device over it. */
    record Source(IoFile file, RawFileDevice device, boolean writable) {}

    private final Supplier<VolumeId> id;
    private final Source source;
    private final FileStoreSettings settings;
    private final Executor blocking;
    private final SizeListener sizeChanged;
    private final Runnable onClose;
    private final AtomicBoolean closed = new AtomicBoolean();
    private final BlockDevice device;

    /** Told that the file has another size. */
    @FunctionalInterface
    interface SizeListener {
        /** Called while no other call changes the size. */
        void changed(boolean larger);
    }

    FileStoreVolume(
            Supplier<VolumeId> id,
            Source source,
            FileStoreSettings settings,
            Executor blocking,
            SizeListener sizeChanged,
            Runnable onClose) {
        this.id = id;
        this.source = source;
        this.settings = settings;
        this.blocking = blocking;
        this.sizeChanged = sizeChanged;
        this.onClose = onClose;
        this.device = new Borrowed(source.device());
    }

    /** Its name now: an open volume can be renamed. */
    @Override
    public VolumeId id() {
        return id.get();
    }

    @Override
    public BlockDevice device() {
        return device;
    }

    @Override
    public CompletionStage<Long> grow(long sizeBytes) {
        requireWritable();
        try {
            return CompletableFuture.supplyAsync(() -> growNow(sizeBytes), blocking);
        } catch (RejectedExecutionException e) {
            return CompletableFuture.failedStage(
                    ErrorCode.VDI_RESIZE.because(id() + " cannot grow: the daemon is stopping", e));
        }
    }

    private long growNow(long sizeBytes) {
        synchronized (source) {
            if (closed.get()) {
                throw ErrorCode.VDI_RESIZE.because(id() + " was closed before it could grow");
            }
            long present = source.file().sizeBytes();
            if (sizeBytes <= present) {
                return present;
            }
            long size = rounded(sizeBytes);
            source.file().truncate(size);
            sizeChanged.changed(true);
            return size;
        }
    }

    /** Images have room to spare; the size of any other file means something. */
    private long rounded(long sizeBytes) {
        VolumeKind kind = id().kind();
        long step = settings.growthStepBytes();
        boolean image = kind == VolumeKind.VHD || kind == VolumeKind.INCOMING;
        boolean fits = sizeBytes <= Long.MAX_VALUE - step;
        return image && fits ? (sizeBytes + step - 1) & -step : sizeBytes;
    }

    @Override
    public void shrink(long sizeBytes) {
        requireWritable();
        synchronized (source) {
            if (closed.get()) {
                throw ErrorCode.VDI_RESIZE.because(id() + " was closed before it could shrink");
            }
            if (sizeBytes < 0 || sizeBytes > source.file().sizeBytes()) {
                throw new IllegalArgumentException(
                        id() + " cannot shrink to " + sizeBytes + " bytes");
            }
            source.file().truncate(sizeBytes);
            sizeChanged.changed(false);
        }
    }

    private void requireWritable() {
        if (!source.writable()) {
            throw new IllegalArgumentException(id() + " is open for reading only");
        }
    }

    /** Closing twice is closing once: the number of the file may belong to another one by then. */
    @Override
    public void close() {
        synchronized (source) {
            if (closed.compareAndSet(false, true)) {
                onClose.run();
            }
        }
    }

    /** The shared device, which a user of it cannot close for the others. */
    private record Borrowed(RawFileDevice shared) implements BlockDevice {
        @Override
        public Geometry geometry() {
            return shared.geometry();
        }

        @Override
        public Set<BlockFeature> features() {
            return shared.features();
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
