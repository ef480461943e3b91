// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.FileMedium;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.vdi.Operation;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.disk.Disks;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.disk.VdiSpec;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Threads;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What an operation on a disk costs, in what does not depend on the machine: how often the device
 * has to make something durable, how many changes of the group there are, and how much is zeroed.
 */
class OperationCostTest {
    private static final long MEDIUM_BYTES = 1L << 30;
    private static final long EXTENT = LvmTestGroup.EXTENT_BYTES;

    @TempDir Path directory;
    private final ExecutorService blocking = Threads.blockingPool("test");
    private final Clock clock = Clock.system();
    private final Operation operation = Operation.unbounded("test", clock);
    private final AtomicInteger flushes = new AtomicInteger();
    private final AtomicLong zeroed = new AtomicLong();
    private final AtomicLong longestZero = new AtomicLong();
    private BlockMedium medium;
    private LvmVolumeStore store;
    private VdiEngine engine;
    private Disks disks;

    /** Counts flushes and what is zeroed. */
    private final class CountingMedium extends ForwardingMedium {
        CountingMedium(BlockMedium next) {
            super(next);
        }

        @Override
        public void flush() {
            flushes.incrementAndGet();
            next.flush();
        }

        @Override
        public void zero(long offset, long length) {
            zeroed.addAndGet(length);
            longestZero.accumulateAndGet(length, Math::max);
            next.zero(offset, length);
        }

        @Override
        public BlockDevice device() {
            return new CountingDevice(next.device());
        }
    }

    /** Counts the flushes of disks. */
    private final class CountingDevice implements BlockDevice {
        private final BlockDevice next;

        CountingDevice(BlockDevice next) {
            this.next = next;
        }

        @Override
        public Geometry geometry() {
            return next.geometry();
        }

        @Override
        public Set<BlockFeature> features() {
            return next.features();
        }

        @Override
        public long lossEpoch() {
            return next.lossEpoch();
        }

        @Override
        public void submit(BlockRequest request) {
            if (request.op == BlockOp.FLUSH) {
                flushes.incrementAndGet();
            }
            next.submit(request);
        }

        @Override
        public void close() {
            next.close();
        }
    }

    @BeforeEach
    void attach() {
        Path file = LvmTestGroup.file(directory, MEDIUM_BYTES);
        medium = new CountingMedium(FileMedium.open(file, 512, true));
        LvmTestGroup.create(medium);
        store = LvmTestGroup.attach(medium, blocking);
        engine =
                new VdiEngine(
                        EngineContext.defaults(
                                        clock,
                                        (lane, thrown) -> {
                                            throw new AssertionError(lane, thrown);
                                        })
                                .withLanes(1));
        disks =
                new Disks(
                        store,
                        engine,
                        Map.of(VolumeKind.VHD, new VhdFormat(clock)),
                        RandomSource.secure());
    }

    @AfterEach
    void detach() {
        engine.close();
        store.close();
        medium.close();
        blocking.shutdown();
    }

    private UUID create() {
        UUID disk = UUID.randomUUID();
        disks.create(new VdiSpec(disk, VolumeKind.VHD, 1L << 30, "", "", false), operation);
        return disk;
    }

    /** What has been paid for, from here on. */
    private record Cost(int flushes, long changes, long zeroedBytes) {}

    private long sequence() {
        return GroupMetadata.open(medium).group().sequence();
    }

    private Cost costOf(Runnable work) {
        int flushesBefore = flushes.get();
        long zeroedBefore = zeroed.get();
        long before = sequence();
        work.run();
        return new Cost(
                flushes.get() - flushesBefore, sequence() - before, zeroed.get() - zeroedBefore);
    }

    /**
     * A change of the group flushes before its header and after it. A new image is made in a volume
     * that is as large as it needs from the start, synced, and gets its name.
     */
    @Test
    void aDiskIsMadeWithTwoChangesAndTheExtentsOfItsTable() {
        create(); // the first one also makes the log
        assertEquals(new Cost(5, 2, 2 * EXTENT), costOf(this::create));
    }

    @Test
    void aSnapshotOfAnEmptyDiskCostsAsMuchWithOneExtent() {
        UUID disk = create();
        List<SnapshotSpec> wanted = List.of(new SnapshotSpec(disk, UUID.randomUUID()));
        assertEquals(new Cost(5, 2, EXTENT), costOf(() -> disks.snapshot(wanted, operation)));
    }

    /** Requests of guests come between the pieces. */
    @Test
    void whatADiskGrowsByIsZeroedInPieces() {
        VolumeId id = new VolumeId(VolumeKind.VHD, create());
        try (StoreVolume volume = store.open(id, true)) {
            long size = volume.device().geometry().sizeBytes();
            Cost cost = costOf(() -> volume.grow(size + 1).toCompletableFuture().join());
            assertEquals(new Cost(2, 1, LvmStoreSettings.DEFAULT.leastStepBytes()), cost);
        }
        assertEquals(8 << 20, longestZero.get());
    }

    @Test
    void aDiskIsDestroyedWithOneChange() {
        UUID disk = create();
        assertEquals(new Cost(2, 1, 0), costOf(() -> disks.destroy(disk, operation)));
    }
}
