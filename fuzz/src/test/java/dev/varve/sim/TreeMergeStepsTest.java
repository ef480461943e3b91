// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.Operation;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.disk.Merge;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiSpec;
import dev.varve.vdi.engine.ImageMerge.Direction;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.random.RandomGenerator;

/**
 * The power goes off right before and right after each step of the journal of a merge: of inner
 * nodes and of a leaf, attached or not, in both directions, on every store.
 */
@Tag("sim")
class TreeMergeStepsTest {
    private static final int SECTOR = Patterns.SECTOR;
    private static final long BLOCK = 2 << 20;
    private static final int LAYERS = 4;
    private static final int MOST_MARKS = 40;
    private static final UUID DISK = new UUID(0x4000, 0x8000_0000_0000_0001L);

    private final SimClock clock = new SimClock();
    private final Operation operation = Operation.unbounded("test", clock);
    private final RandomGenerator random = new Seed(11).stream("test");
    private final RandomSource uuids = RandomSource.of(new Random(11));

    /** A repository with a disk of several layers. */
    private final class Repository {
        private final Patterns patterns = new Patterns();
        private final SimStore.Medium medium = new SimStore.Medium();
        private final TreeHost.Hardware hardware;
        private final int[] stamps = new int[LAYERS];

        Repository(StoreKind kind) {
            hardware = new TreeHost.Hardware(kind, kind.plan(random), 1, false, 1 << 20);
        }

        TreeHost powerOn() {
            return new TreeHost(
                    clock, random, uuids, hardware, new Trace(), medium, TreeSabotage.NONE);
        }

        /** Each layer has a block of its own, and a sector that all later ones have too. */
        void build() {
            try (TreeHost host = powerOn()) {
                host.disks()
                        .create(
                                new VdiSpec(DISK, VolumeKind.VHD, 16 << 20, "disk", "", false),
                                operation);
                for (int layer = 0; layer < LAYERS; layer++) {
                    SimVdi vdi =
                            new SimVdi(
                                    host.machine(), host.disks().activate(DISK, true, operation));
                    stamps[layer] = patterns.stamp();
                    write(host, vdi, layer * BLOCK, stamps[layer]);
                    write(host, vdi, LAYERS * BLOCK, stamps[layer]);
                    vdi.close();
                    if (layer < LAYERS - 1) {
                        UUID snapshot = uuids.uuid();
                        host.disks().snapshot(List.of(new SnapshotSpec(DISK, snapshot)), operation);
                        host.disks().destroy(snapshot, operation);
                    }
                }
                host.store().powerOff(random);
            }
        }

        private void write(TreeHost host, SimVdi vdi, long offset, int stamp) {
            MemorySegment memory = host.machine().allocate(SECTOR);
            patterns.fill(memory, 0, stamp, offset / SECTOR, 1);
            IoStatus[] outcome = new IoStatus[1];
            vdi.submit(
                    BlockOp.WRITE,
                    0,
                    offset,
                    SECTOR,
                    memory,
                    0,
                    end -> {
                        outcome[0] = end.status;
                        end.context.release(end);
                    });
            host.machine().runUntil(() -> outcome[0] != null);
            assertEquals(IoStatus.OK, outcome[0]);
        }

        private void check(TreeHost host) {
            SimVdi vdi = new SimVdi(host.machine(), host.disks().activate(DISK, true, operation));
            for (int layer = 0; layer < LAYERS; layer++) {
                assertSector(vdi, layer * BLOCK, stamps[layer]);
            }
            assertSector(vdi, LAYERS * BLOCK, stamps[LAYERS - 1]);
            vdi.close();
        }

        private void assertSector(SimVdi vdi, long offset, int stamp) {
            MemorySegment memory = vdi.read(offset, SECTOR);
            assertTrue(
                    patterns.matches(memory, 0, stamp, offset / SECTOR),
                    () -> "at " + offset + " is " + patterns.name(memory, 0, offset / SECTOR));
        }
    }

    private Merge find(TreeHost host, boolean leaf, Direction direction) {
        Merge found =
                host.disks().merges(operation).stream()
                        .filter(merge -> merge.isLeaf() == leaf)
                        .findFirst()
                        .orElseThrow();
        return new Merge(
                found.child(),
                found.parent(),
                direction,
                found.isLeaf(),
                found.disks(),
                found.root(),
                found.depth(),
                found.bytes());
    }

    /** Whether the power went off. */
    private boolean mergeUntil(
            Repository repository, int mark, boolean leaf, boolean attached, Direction direction) {
        try (TreeHost host = repository.powerOn()) {
            host.shown().recover();
            host.disks().recover(operation);
            try {
                if (attached) {
                    host.disks().activate(DISK, true, operation);
                }
                host.machine().backend().losePowerAt(SimBackend.Mark.MERGE_STEP, mark, 0);
                host.disks().merge(find(host, leaf, direction), operation).finish(operation);
                host.store().powerOff(random);
                return false;
            } catch (PowerLoss e) {
                host.store().powerOff(random);
                return true;
            }
        }
    }

    private void checkAndCollect(Repository repository) {
        try (TreeHost host = repository.powerOn()) {
            host.shown().recover();
            host.disks().recover(operation);
            assertTrue(
                    host.store().ids().stream().allMatch(id -> id.kind().isDisk()),
                    () -> "left is " + host.store().ids());
            repository.check(host);
            TreeMerges merges = new TreeMerges(random, new TreeCounts());
            merges.powerOn(host);
            merges.collect();
            List<VdiInfo> all = host.disks().scan(operation);
            assertEquals(1, all.size(), all::toString);
            repository.check(host);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "FILE,DOWN", "FILE,UP", "MEMORY,DOWN", "MEMORY,UP",
        "REMOTE_FILES,DOWN", "REMOTE_FILES,UP", "REMOTE_BLOCKS,DOWN", "REMOTE_BLOCKS,UP"
    })
    void losesNothingBeforeOrAfterAnyStep(StoreKind kind, Direction direction) {
        for (boolean leaf : new boolean[] {true, false}) {
            for (boolean attached : new boolean[] {true, false}) {
                boolean lost = true;
                int mark = 1;
                for (; lost; mark++) {
                    assertTrue(mark < MOST_MARKS, "the steps come to an end");
                    Repository repository = new Repository(kind);
                    repository.build();
                    lost = mergeUntil(repository, mark, leaf, attached, direction);
                    checkAndCollect(repository);
                }
                assertTrue(mark > 3, "there are steps: " + mark);
            }
        }
    }
}
