// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.random.RandomGenerator;

/** The store that stands for logical volumes. */
class MemoryVolumeStoreTest {
    private static final long EXTENT = 4 << 20;
    private static final VolumeId ONE = new VolumeId(VolumeKind.VHD, new UUID(0x4000, 1));
    private static final VolumeId TWO = new VolumeId(VolumeKind.VHD, new UUID(0x4000, 2));

    private final RandomGenerator random = new Seed(1).stream("test");
    private final SimMachine machine = new SimMachine(new SimClock(), 1, 1 << 20, null);
    private final SimStore.Medium medium = new SimStore.Medium();
    private final MemoryVolumeStore store = store();

    private MemoryVolumeStore store() {
        FaultPlan plan =
                new FaultPlan(
                        4096, 4096, 0, EXTENT, true, FaultPlan.Shrink.STEP, true, true, 0, false);
        return new MemoryVolumeStore(
                new SimStore.Setting(
                        machine,
                        random,
                        plan,
                        new Trace(),
                        medium,
                        SimServer.NONE,
                        TreeSabotage.NONE));
    }

    @AfterEach
    void close() {
        machine.close();
    }

    private static VolumeChange create(VolumeId id, long sizeBytes) {
        return new VolumeChange.Create(id, sizeBytes, Map.of("name", "a"));
    }

    private long size(VolumeId id) {
        return store.find(id).orElseThrow().sizeBytes();
    }

    private long grow(StoreVolume volume, long sizeBytes) {
        CompletableFuture<Long> grown = volume.grow(sizeBytes).toCompletableFuture();
        machine.runUntil(grown::isDone);
        return grown.join();
    }

    @Test
    void volumesAreWholeExtentsAndTakeThemAtOnce() {
        store.commit(List.of(create(ONE, 0), create(TWO, EXTENT + 1)));
        assertEquals(EXTENT, size(ONE));
        assertEquals(2 * EXTENT, size(TWO));
        assertEquals(3 * EXTENT, store.space().physicalUsedBytes());
        assertTrue(!store.features().contains(StoreFeature.SPARSE));
        assertEquals(4096, open(ONE).device().geometry().logicalBlockBytes());
    }

    private StoreVolume open(VolumeId id) {
        return store.open(id, true);
    }

    @Test
    void growingAndCuttingOffAreDurableAtOnce() {
        store.commit(List.of(create(ONE, 0)));
        StoreVolume volume = open(ONE);
        assertEquals(3 * EXTENT, grow(volume, 2 * EXTENT + 4096));
        store.powerOff(random);
        assertEquals(3 * EXTENT, size(ONE));
        open(ONE).shrink(1);
        store.powerOff(random);
        assertEquals(EXTENT, size(ONE));
    }

    @Test
    void nothingGrowsBeyondWhatThereIs() {
        store.commit(List.of(create(ONE, 0)));
        StoreVolume volume = open(ONE);
        long all = store.space().physicalSizeBytes();
        CompletableFuture<Long> grown = volume.grow(all + EXTENT).toCompletableFuture();
        machine.runUntil(grown::isDone);
        StorageException failure =
                (StorageException)
                        assertThrows(java.util.concurrent.CompletionException.class, grown::join)
                                .getCause();
        assertEquals(ErrorCode.SR_NO_SPACE, failure.code());
        assertEquals(EXTENT, size(ONE));
    }

    /** Whatever a commit fails with, all of it has happened or nothing. */
    @Test
    void aCommitIsOneChange() {
        store.commit(List.of(create(ONE, 0)));
        List<VolumeChange> changes = List.of(create(TWO, 0), new VolumeChange.Delete(ONE));
        store.fail(SimStore.Trouble.BEFORE, 0);
        assertThrows(StorageException.class, () -> store.commit(changes));
        assertTrue(store.find(ONE).isPresent() && store.find(TWO).isEmpty());
        store.fail(SimStore.Trouble.AFTER, 0);
        assertThrows(StorageException.class, () -> store.commit(changes));
        assertTrue(store.find(ONE).isEmpty() && store.find(TWO).isPresent());
    }

    @Test
    void aFullStoreOnlyGivesBack() {
        store.commit(List.of(create(ONE, 0)));
        store.full(true);
        assertThrows(StorageException.class, () -> store.commit(List.of(create(TWO, 0))));
        store.commit(List.of(new VolumeChange.Rename(ONE, TWO)));
        store.commit(List.of(new VolumeChange.Delete(TWO)));
        assertEquals(List.of(), store.list());
    }
}
