// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.Operation;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.disk.VdiSpec;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.Test;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.random.RandomGenerator;

/** What the simulation of trees found, each in the shortest form that shows it. */
class TreeCrashFindingsTest {
    private static final int SECTOR = Patterns.SECTOR;
    private static final UUID DISK = new UUID(0x4000, 0x8000_0000_0000_0001L);
    private static final UUID SNAPSHOT = new UUID(0x4000, 0x8000_0000_0000_0002L);

    private final SimClock clock = new SimClock();
    private final Operation operation = Operation.unbounded("test", clock);
    private final RandomGenerator random = new Seed(7).stream("test");
    private final RandomSource uuids = RandomSource.of(new Random(7));
    private final Patterns patterns = new Patterns();
    private final SimStore.Medium medium = new SimStore.Medium();

    private TreeHost powerOn() {
        return new TreeHost(
                clock,
                random,
                uuids,
                new TreeHost.Hardware(StoreKind.FILE, FaultPlan.plain(), 1, false, 1 << 20),
                new Trace(),
                medium,
                TreeSabotage.NONE);
    }

    private static void create(TreeHost host, Operation operation) {
        host.disks()
                .create(new VdiSpec(DISK, VolumeKind.VHD, 4 << 20, "disk", "", false), operation);
    }

    private SimVdi attach(TreeHost host, boolean writable) {
        return new SimVdi(host.machine(), host.disks().activate(DISK, writable, operation));
    }

    private int write(TreeHost host) {
        SimVdi vdi = attach(host, true);
        int stamp = patterns.stamp();
        MemorySegment memory = host.machine().allocate(SECTOR);
        patterns.fill(memory, 0, stamp, 0, 1);
        IoStatus[] outcome = new IoStatus[1];
        vdi.submit(BlockOp.WRITE, 0, 0, SECTOR, memory, 0, end -> outcome[0] = end.status);
        host.machine().runUntil(() -> outcome[0] != null);
        assertEquals(IoStatus.OK, outcome[0]);
        vdi.close();
        return stamp;
    }

    private void snapshot(TreeHost host) {
        host.disks().snapshot(List.of(new SnapshotSpec(DISK, SNAPSHOT)), operation);
    }

    /**
     * The commit of a revert failed after it had happened. Only splits were looked for, and an
     * empty snapshot is not split: the revert was told to have failed, and the disk was still known
     * to rest on what it had rested on before. When the snapshot was destroyed, the node under both
     * was taken to be nobody's, and removed.
     */
    @Test
    void keepsWhatADiskRestsOnWhenTheCommitOfItsRevertSeemsToFail() {
        try (TreeHost host = powerOn()) {
            create(host, operation);
            final int stamp = write(host);
            snapshot(host);
            write(host);
            host.store().fail(SimStore.Trouble.AFTER, 1);
            host.disks().revert(DISK, SNAPSHOT, operation);
            host.disks().destroy(SNAPSHOT, operation);
            MemorySegment memory = attach(host, false).read(0, SECTOR);
            assertTrue(patterns.matches(memory, 0, stamp, 0));
        }
    }
}
