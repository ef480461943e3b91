// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeStore;

import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** Volumes of whole extents, of which there is a limited number, in a directory. */
public final class ExtentStore extends ForwardingStore {
    public static final long EXTENT = 4 << 20;

    private final Set<StoreFeature> features = new HashSet<>(Set.of(StoreFeature.ZEROED));
    private volatile long allBytes = Long.MAX_VALUE;

    public ExtentStore(VolumeStore store) {
        super(store);
    }

    public static long extents(long bytes) {
        return (bytes + EXTENT - 1) / EXTENT * EXTENT;
    }

    /** Its owner wants all disks thick. */
    public void thick() {
        features.add(StoreFeature.THICK);
    }

    /** So much there is left. */
    public void leave(long bytes) {
        allBytes = usedBytes() + bytes;
    }

    private long usedBytes() {
        return list().stream().mapToLong(VolumeInfo::sizeBytes).sum();
    }

    @Override
    public Set<StoreFeature> features() {
        return Set.copyOf(features);
    }

    @Override
    public StoreVolume open(VolumeId id, boolean writable) {
        StoreVolume volume = super.open(id, writable);
        return new Volume(volume) {
            private long now() {
                return volume.device().geometry().sizeBytes();
            }

            @Override
            public synchronized CompletionStage<Long> grow(long sizeBytes) {
                long size = Math.max(now(), extents(sizeBytes));
                if (size - now() > allBytes - usedBytes()) {
                    return CompletableFuture.failedStage(
                            ErrorCode.SR_NO_SPACE.because("the store is full"));
                }
                if (size > now()) {
                    volume.grow(size).toCompletableFuture().join();
                    volume.shrink(size);
                }
                return CompletableFuture.completedStage(size);
            }

            @Override
            public synchronized void shrink(long sizeBytes) {
                volume.shrink(sizeAfterShrink(sizeBytes));
            }

            @Override
            public long sizeAfterShrink(long sizeBytes) {
                return Math.min(now(), extents(sizeBytes));
            }
        };
    }
}
