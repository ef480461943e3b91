// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.RawFileDevice;
import dev.varve.vdi.io.IoFile;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import java.nio.file.Path;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** A single file as a volume. */
public final class FileVolume implements StoreVolume {
    private static final long STEP_BYTES = 8 << 20;

    private final VolumeId id = new VolumeId(VolumeKind.VHD, new UUID(1, 2));
    private final RawFileDevice device;

    public FileVolume(Path file, boolean writable) {
        device = new RawFileDevice(IoFile.open(file, writable, true), writable);
    }

    @Override
    public VolumeId id() {
        return id;
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
                    return size;
                });
    }

    @Override
    public void shrink(long sizeBytes) {
        device.file().truncate(sizeBytes);
        device.refreshSize();
    }

    @Override
    public void close() {
        device.close();
    }
}
