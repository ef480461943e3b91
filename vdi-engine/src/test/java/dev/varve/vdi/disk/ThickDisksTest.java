// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.DiskClient;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.ExtentStore;
import dev.varve.vdi.engine.FolderStore;
import dev.varve.vdi.engine.ImageMerge.Direction;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdCheck;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** Disks that have all their room from the start, in a store of whole extents. */
class ThickDisksTest {
    private static final int SIZE = 32 << 20;

    /** What an image takes with nothing in it, and with everything. */
    private static final long EMPTY = 8 << 20;

    /** What an image takes that is only read, with room in its table for its own size. */
    private static final long SMALL = ExtentStore.EXTENT;

    private static final long FULL = ExtentStore.extents(SIZE + 4329472 + 16 * 4096);

    @TempDir Path directory;
    private final Clock clock = Clock.system();
    private final Operation operation = Operation.within("test", clock, 120, TimeUnit.SECONDS);
    private final UUID vdi = new UUID(7, 7);
    private ExtentStore store;
    private VdiEngine engine;
    private Disks disks;
    private volatile Throwable trouble;

    @BeforeEach
    void start() {
        store = new ExtentStore(new FolderStore(directory));
        engine =
                new VdiEngine(
                        EngineContext.defaults(clock, (lane, thrown) -> trouble = thrown)
                                .withLanes(1));
        disks =
                new Disks(
                        store,
                        engine,
                        Map.of(VolumeKind.VHD, new VhdFormat(clock)),
                        RandomSource.secure());
    }

    @AfterEach
    void stop() {
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    private VdiInfo create(boolean thick) {
        return disks.create(
                new VdiSpec(vdi, VolumeKind.VHD, SIZE, "disk", "", false, thick), operation);
    }

    private static VolumeId id(UUID uuid) {
        return new VolumeId(VolumeKind.VHD, uuid);
    }

    private long size(UUID uuid) {
        return store.find(id(uuid)).orElseThrow().sizeBytes();
    }

    private void assertInOrder() {
        for (VolumeInfo volume : store.list()) {
            try (OpenVolume open = engine.open(store.open(volume.id(), false), false)) {
                VhdCheck.Result result = new VhdCheck(clock).check(open.access(operation));
                assertEquals(List.of(), result.findings(), volume.toString());
            }
        }
        for (VdiInfo info : disks.scan(operation)) {
            assertEquals(new VdiState.Valid(), info.state(), info.toString());
        }
    }

    private byte[] fill(ActiveVdi active) {
        byte[] data = new byte[SIZE];
        new Random(1).nextBytes(data);
        new DiskClient(active).write(0, data);
        return data;
    }

    /** The sizes that the reference stack gives its volumes. */
    @Test
    void sizesAreThoseOfTheReference() {
        VhdFormat format = new VhdFormat(clock);
        assertEquals(2060L << 20, ExtentStore.extents(format.fullBytes(2L << 30)));
        assertEquals(4329472 + (2L << 20) + 4096, format.fullBytes(1));
    }

    @Test
    void aDiskIsThinUnlessItShallNot() {
        VdiInfo made = create(false);
        assertEquals(EMPTY, size(vdi));
        assertEquals(EMPTY, made.physicalUtilisationBytes());
        assertTrue(made.smConfig().get("allocation") == null);
    }

    /** Nothing grows any more: neither the disk nor its clone, whatever is written. */
    @Test
    void everythingCanBeWrittenWhenTheStoreIsFull() {
        VdiInfo made = create(true);
        assertEquals(FULL, made.physicalUtilisationBytes());
        assertEquals("thick", made.smConfig().get("allocation"));
        ActiveVdi active = disks.activate(vdi, true, operation);
        disks.snapshot(List.of(new SnapshotSpec(vdi, new UUID(8, 1))), operation);
        store.leave(0);
        byte[] data = fill(active);
        assertArrayEquals(data, new DiskClient(active).read(0, SIZE));
        active.close(operation);
        assertEquals(FULL, size(vdi));
        assertEquals(SMALL, size(new UUID(8, 1)), "what is only read is small");
        assertInOrder();
    }

    /** The base copy is cut off, whether the disk is active or not. */
    @Test
    void branchesOfThickDisksAreThickAndTheirBaseCopiesAreNot() {
        create(true);
        ActiveVdi active = disks.activate(vdi, true, operation);
        new DiskClient(active).write(0, new byte[4096]);
        new DiskClient(active).write(SIZE / 2, page());
        UUID snapshot = new UUID(8, 2);
        disks.snapshot(List.of(new SnapshotSpec(vdi, snapshot)), operation);
        new DiskClient(active).write(0, page());
        active.close(operation);
        UUID clone = new UUID(8, 3);
        disks.clone(vdi, clone, operation);
        UUID other = new UUID(8, 4);
        disks.clone(snapshot, other, operation);
        assertEquals(FULL, size(vdi));
        assertEquals(FULL, size(clone));
        assertEquals(FULL, size(other));
        assertEquals(SMALL, size(snapshot));
        List<VdiInfo> bases = disks.scan(operation).stream().filter(i -> !i.managed()).toList();
        assertEquals(2, bases.size());
        for (VdiInfo base : bases) {
            assertTrue(base.physicalUtilisationBytes() <= EMPTY + 2 * ExtentStore.EXTENT);
        }
        disks.revert(vdi, snapshot, operation);
        assertEquals(FULL, size(vdi));
        assertInOrder();
    }

    private static byte[] page() {
        byte[] page = new byte[4096];
        page[0] = 1;
        return page;
    }

    @Test
    void whatTheOwnerWantsThickIsNeverCutOff() {
        store.thick();
        create(false);
        assertEquals(FULL, size(vdi));
        ActiveVdi active = disks.activate(vdi, true, operation);
        new DiskClient(active).write(0, page());
        disks.snapshot(List.of(new SnapshotSpec(vdi, new UUID(8, 5))), operation);
        active.close(operation);
        Set<Long> sizes = new HashSet<>();
        disks.scan(operation).forEach(info -> sizes.add(info.physicalUtilisationBytes()));
        assertEquals(Set.of(SMALL, FULL), sizes);
        assertEquals(2, store.list().stream().filter(info -> info.sizeBytes() == FULL).count());
        assertInOrder();
    }

    @Test
    void withoutRoomNothingIsMade() {
        store.leave(FULL - ExtentStore.EXTENT);
        StorageException e = assertThrows(StorageException.class, () -> create(true));
        assertEquals(ErrorCode.SR_NO_SPACE, e.code());
        assertEquals(List.of(), store.list());
        store.leave(FULL + EMPTY);
        create(true);
        ActiveVdi active = disks.activate(vdi, true, operation);
        new DiskClient(active).write(0, page());
        StorageException again =
                assertThrows(
                        StorageException.class,
                        () ->
                                disks.snapshot(
                                        List.of(new SnapshotSpec(vdi, new UUID(8, 6))), operation));
        assertEquals(ErrorCode.SR_NO_SPACE, again.code());
        active.close(operation);
        assertEquals(1, store.list().size());
        assertEquals(FULL, size(vdi));
        assertInOrder();
    }

    @Test
    void aThickDiskThatBecomesLargerGetsTheRoom() {
        create(true);
        disks.resize(vdi, 2 * SIZE, operation);
        assertEquals(ExtentStore.extents(2 * SIZE + 4329472 + 32 * 4096), size(vdi));
        ActiveVdi active = disks.activate(vdi, true, operation);
        disks.resize(vdi, 3 * SIZE, operation);
        store.leave(0);
        new DiskClient(active).write(2L * SIZE, new byte[SIZE]);
        active.close(operation);
        assertEquals(ExtentStore.extents(3 * SIZE + 4329472 + 48 * 4096), size(vdi));
        assertInOrder();
    }

    /** The leaf has the room, so the image below it comes up. */
    @Test
    void aThickLeafKeepsItsVolumeInAMerge() {
        create(true);
        ActiveVdi active = disks.activate(vdi, true, operation);
        byte[] data = fill(active);
        UUID snapshot = new UUID(8, 7);
        disks.snapshot(List.of(new SnapshotSpec(vdi, snapshot)), operation);
        disks.destroy(snapshot, operation);
        Merge merge = disks.merges(operation).getFirst();
        assertEquals(Direction.UP, merge.direction());
        store.leave(ExtentStore.EXTENT); // for the journal
        assertTrue(disks.merge(merge, operation).finish(operation).isPresent());
        assertArrayEquals(data, new DiskClient(active).read(0, SIZE));
        active.close(operation);
        assertEquals(FULL, size(vdi));
        disks.removeGarbage(operation);
        assertInOrder();
    }
}
