// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.RawFileDevice;
import dev.varve.vdi.io.IoFile;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import java.nio.file.Path;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;

/** A single file as a volume. */
public final class FileVolume implements StoreVolume {
    private static final long STEP_BYTES = 8 << 20;

    private final RawFileDevice device;
    private final Runnable sizeChanged;
    private final Consumer<FileVolume> onClose;
    private volatile VolumeId id;

    public FileVolume(Path file, boolean writable) {
        this(new VolumeId(VolumeKind.VHD, new UUID(1, 2)), file, writable, () -> {}, volume -> {});
    }

    /**
     * @param sizeChanged told when the file has another size
     */
    FileVolume(
            VolumeId id,
            Path file,
            boolean writable,
            Runnable sizeChanged,
            Consumer<FileVolume> onClose) {
        this.id = id;
        this.sizeChanged = sizeChanged;
        this.onClose = onClose;
        device = new RawFileDevice(IoFile.open(file, writable, true), writable);
    }

    @Override
    public VolumeId id() {
        return id;
    }

    void renamed(VolumeId newId) {
        id = newId;
    }

    void refreshSize() {
        device.refreshSize();
    }

    boolean isWritable() {
        return device.features().contains(BlockFeature.WRITE);
    }

    @Override
    public BlockDevice device() {
        return device;
    }

    @Override
    public CompletionStage<Long> grow(long sizeBytes) {
        return CompletableFuture.supplyAsync(
                () -> {
                    long size = (sizeBytes + STEP_BYTES - 1) / STEP_BYTES * STEP_BYTES;
                    device.file().truncate(size);
                    device.refreshSize();
                    sizeChanged.run();
                    return size;
                });
    }

    @Override
    public void shrink(long sizeBytes) {
        device.file().truncate(sizeBytes);
        device.refreshSize();
        sizeChanged.run();
    }

    @Override
    public void close() {
        onClose.accept(this);
        device.close();
    }
}
