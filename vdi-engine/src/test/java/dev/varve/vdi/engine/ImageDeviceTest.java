// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.Operation;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockDeviceContract;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.MemoryDevice;
import dev.varve.vdi.block.TestLane;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.FlatLayer;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.Nested;

import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Disks over a volume in memory with blocks of 512 or 4096 bytes, which answers every request while
 * it is being submitted.
 */
class ImageDeviceTest {
    /** A volume that cannot grow. */
    private record MemoryVolume(MemoryDevice memory) implements StoreVolume {
        @Override
        public VolumeId id() {
            return new VolumeId(VolumeKind.VHD, new UUID(3, 4));
        }

        @Override
        public BlockDevice device() {
            return memory;
        }

        @Override
        public CompletionStage<Long> grow(long sizeBytes) {
            return CompletableFuture.failedStage(new IllegalStateException("it is large enough"));
        }

        @Override
        public void shrink(long sizeBytes) {}

        @Override
        public void close() {
            memory.close();
        }
    }

    private static BlockDeviceContract.Subject open(int blockBytes, boolean vhd) throws Exception {
        TestLane lane = new TestLane();
        long size = BlockDeviceContract.SIZE;
        MemoryDevice memory =
                new MemoryDevice(new Geometry(vhd ? 2 * size : size, blockBytes, 4096, blockBytes));
        MemoryVolume volume = new MemoryVolume(memory);
        OpenVolume below = new OpenVolume(lane.lane(), volume, true);
        ImageLayer layer = vhd ? makeVhd(lane, below) : raw(size);
        return new BlockDeviceContract.Pumped(
                lane, new ImageDevice(lane.lane(), List.of(new OpenLayer(below, layer)), true));
    }

    private static ImageLayer raw(long size) {
        return new FlatLayer(
                new ImageInfo("raw", size, 0, Optional.empty(), Optional.empty(), false, true),
                null);
    }

    /** The control thread waits for the lane, so the lane is pumped here meanwhile. */
    private static ImageLayer makeVhd(TestLane lane, OpenVolume below) throws Exception {
        Operation operation = Operation.unbounded("test", Clock.system());
        BlockAccess access = below.access(operation);
        VhdFormat format = new VhdFormat(Clock.system());
        try (ExecutorService control = Executors.newSingleThreadExecutor()) {
            var opened =
                    control.submit(
                            () -> {
                                format.create(
                                        access,
                                        ImageSpec.plain(new UUID(1, 2), BlockDeviceContract.SIZE),
                                        operation);
                                return format.open(access, true);
                            });
            while (!opened.isDone()) {
                lane.pump();
                Thread.onSpinWait();
            }
            return opened.get();
        }
    }

    @Nested
    class OverVhd implements BlockDeviceContract {
        @Override
        public Subject open(int blockBytes) throws Exception {
            return ImageDeviceTest.open(blockBytes, true);
        }
    }

    @Nested
    class OverRaw implements BlockDeviceContract {
        @Override
        public Subject open(int blockBytes) throws Exception {
            return ImageDeviceTest.open(blockBytes, false);
        }
    }
}
