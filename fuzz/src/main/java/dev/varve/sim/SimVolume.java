// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.random.RandomGenerator;

/**
 * A volume on a {@link SimDisk}: it grows after a while and in steps, and can be cut off as far as
 * its store does that. Its size is metadata: durable with the next flush, else old or new after a
 * crash.
 */
final class SimVolume implements StoreVolume {
    /** What a volume has to ask the store that it is in. */
    interface Home {
        /** What it is called now. */
        VolumeId id();

        /** Whether there is room to grow by so much. */
        boolean hasRoom(long bytes);

        /** What new space holds, from the start of the volume on; null for zeros. */
        SimContent newSpace();

        /** How long until the storage answers, in nanoseconds. */
        long downNanos();

        /** It is not used any more. */
        void closed();
    }

    private static final Home ALONE =
            new Home() {
                @Override
                public VolumeId id() {
                    return new VolumeId(VolumeKind.VHD, new UUID(0x5EED, 1));
                }

                @Override
                public boolean hasRoom(long bytes) {
                    return true;
                }

                @Override
                public SimContent newSpace() {
                    return null;
                }

                @Override
                public long downNanos() {
                    return 0;
                }

                @Override
                public void closed() {}
            };

    private final SimBackend backend;
    private final RandomGenerator random;
    private final FaultPlan plan;
    private final SimDisk disk;
    private final BlockDevice device;
    private final Home home;

    /** A volume without a store. */
    SimVolume(SimBackend backend, RandomGenerator random, FaultPlan plan, SimDisk disk) {
        this(backend, random, plan, disk, disk, ALONE);
    }

    /**
     * @param device what stands in front of the disk
     */
    SimVolume(
            SimBackend backend,
            RandomGenerator random,
            FaultPlan plan,
            SimDisk disk,
            BlockDevice device,
            Home home) {
        this.backend = backend;
        this.random = random;
        this.plan = plan;
        this.disk = disk;
        this.device = device;
        this.home = home;
    }

    @Override
    public VolumeId id() {
        return home.id();
    }

    @Override
    public BlockDevice device() {
        return device;
    }

    @Override
    public CompletionStage<Long> grow(long sizeBytes) {
        CompletableFuture<Long> grown = new CompletableFuture<>();
        backend.after(home.downNanos() + plan.delayNanos(random), () -> grow(sizeBytes, grown));
        return grown;
    }

    private void grow(long sizeBytes, CompletableFuture<Long> grown) {
        long size = roundUp(sizeBytes, plan.growthStepBytes());
        if (size > disk.geometry().sizeBytes()) {
            if (!home.hasRoom(size - disk.geometry().sizeBytes())) {
                grown.completeExceptionally(ErrorCode.SR_NO_SPACE.because("the store is full"));
                return;
            }
            disk.resize(size, home.newSpace());
        }
        grown.complete(disk.geometry().sizeBytes());
    }

    @Override
    public long growAheadBytes() {
        return plan.growAheadBytes();
    }

    @Override
    public void shrink(long sizeBytes) {
        long size = sizeAfterShrink(sizeBytes);
        if (size < disk.geometry().sizeBytes()) {
            disk.resize(size);
        }
    }

    @Override
    public long sizeAfterShrink(long sizeBytes) {
        long now = disk.geometry().sizeBytes();
        return switch (plan.shrink()) {
            case EXACT -> Math.min(now, roundUp(sizeBytes, plan.sectorBytes()));
            case STEP -> Math.min(now, roundUp(sizeBytes, plan.growthStepBytes()));
            case NEVER -> now;
        };
    }

    private static long roundUp(long value, long unit) {
        return (value + unit - 1) / unit * unit;
    }

    @Override
    public void close() {
        home.closed();
    }
}
