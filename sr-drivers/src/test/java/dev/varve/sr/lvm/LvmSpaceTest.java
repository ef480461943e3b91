// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.FileMedium;
import dev.varve.sr.contract.DirectContext;
import dev.varve.sr.contract.Errors;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Threads;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.atomic.AtomicInteger;

/** What becomes of space: it is zeroed, kept back, given out in steps, and given back. */
class LvmSpaceTest {
    private static final long MEDIUM_BYTES = 256 << 20;
    private static final long EXTENT = LvmTestGroup.EXTENT_BYTES;
    private static final LvmStoreSettings SETTINGS =
            new LvmStoreSettings(4 * EXTENT, 8 * EXTENT, 16, 2 * EXTENT, EXTENT);

    @TempDir Path directory;

    private final ExecutorService blocking = Threads.blockingPool("test");
    private FileMedium medium;
    private LvmVolumeStore store;

    @BeforeEach
    void attach() {
        medium = FileMedium.open(LvmTestGroup.file(directory, MEDIUM_BYTES), 512, true);
        byte[] others = new byte[1 << 20];
        Arrays.fill(others, (byte) 0xaa);
        for (long at = 0; at < MEDIUM_BYTES; at += others.length) {
            medium.write(at, others);
        }
        LvmTestGroup.create(medium);
        store = open();
        store.recover();
    }

    private LvmVolumeStore open() {
        return new LvmVolumeStore(
                new LvmAccess(
                        medium,
                        GroupMetadata.open(medium),
                        GroupOwner.alone(),
                        SETTINGS,
                        blocking,
                        LvmTestGroup.HOST));
    }

    @AfterEach
    void detach() {
        store.close();
        medium.close();
        blocking.shutdown();
    }

    private static VolumeId id(VolumeKind kind, int number) {
        return new VolumeId(kind, new UUID(0, number));
    }

    private static VolumeId vhd(int number) {
        return id(VolumeKind.VHD, number);
    }

    private void create(VolumeId id, long sizeBytes) {
        store.commit(List.of(new VolumeChange.Create(id, sizeBytes, Map.of())));
    }

    private static void assertFilled(StoreVolume volume, long from, long to, int value) {
        byte[] expected = new byte[1 << 20];
        Arrays.fill(expected, (byte) value);
        try (DirectContext lane = new DirectContext()) {
            for (long at = from; at < to; at += expected.length) {
                assertArrayEquals(expected, lane.read(volume.device(), at, expected.length));
            }
        }
    }

    private static void fill(StoreVolume volume, long from, long to, int value) {
        try (DirectContext lane = new DirectContext()) {
            for (long at = from; at < to; at += 1 << 20) {
                lane.write(volume.device(), at, 1 << 20, value);
            }
        }
    }

    /** Neither what was on the device before nor what a removed volume held is ever seen. */
    @Test
    void everythingNewReadsAsZero() {
        for (int round = 1; round <= 3; round++) {
            create(vhd(round), 2 * EXTENT);
            create(vhd(9), EXTENT);
            try (StoreVolume volume = store.open(vhd(round), true)) {
                assertFilled(volume, 0, 2 * EXTENT, 0);
                fill(volume, 0, 2 * EXTENT, 7);
                // Another volume lies behind it, so it goes on somewhere else.
                long size = volume.grow(3 * EXTENT).toCompletableFuture().join();
                assertEquals(6 * EXTENT, size);
                assertFilled(volume, 0, 2 * EXTENT, 7);
                assertFilled(volume, 2 * EXTENT, size, 0);
                fill(volume, 2 * EXTENT, size, 8);
                volume.shrink(EXTENT);
                size = volume.grow(2 * EXTENT).toCompletableFuture().join();
                assertFilled(volume, 0, EXTENT, 7);
                assertFilled(volume, EXTENT, size, 0);
                fill(volume, EXTENT, size, 9);
            }
            store.commit(
                    List.of(new VolumeChange.Delete(vhd(round)), new VolumeChange.Delete(vhd(9))));
        }
    }

    @Test
    void aRequestMayCrossPiecesOfAVolume() {
        create(vhd(1), EXTENT);
        create(vhd(2), EXTENT);
        try (StoreVolume volume = store.open(vhd(1), true);
                DirectContext lane = new DirectContext()) {
            volume.grow(2 * EXTENT).toCompletableFuture().join();
            lane.write(volume.device(), EXTENT - 8192, 16384, 5);
            byte[] expected = new byte[16384];
            Arrays.fill(expected, (byte) 5);
            assertArrayEquals(expected, lane.read(volume.device(), EXTENT - 8192, 16384));
            try (StoreVolume other = store.open(vhd(2), false)) {
                assertFilled(other, 0, EXTENT, 0);
            }
        }
    }

    @Test
    void volumesThatGrowTogetherGrowInFewChanges() {
        List<StoreVolume> volumes = new ArrayList<>();
        for (int i = 1; i <= 8; i++) {
            create(vhd(i), EXTENT);
            volumes.add(store.open(vhd(i), true));
        }
        long before = GroupMetadata.open(medium).group().sequence();
        List<CompletableFuture<Long>> growing =
                volumes.stream()
                        .map(volume -> volume.grow(2 * EXTENT).toCompletableFuture())
                        .toList();
        growing.forEach(done -> assertTrue(done.join() >= 2 * EXTENT));
        assertTrue(GroupMetadata.open(medium).group().sequence() - before < 8);
        assertEquals(2 * EXTENT, volumes.getFirst().growAheadBytes());
        volumes.forEach(StoreVolume::close);
    }

    @Test
    void aFullRepositoryStillTakesSnapshots() {
        create(vhd(1), EXTENT);
        AtomicInteger told = new AtomicInteger();
        store.whenRoom(told::incrementAndGet);
        try (StoreVolume volume = store.open(vhd(1), true)) {
            long size = EXTENT;
            while (store.space().freeBytes() > 0) {
                size = volume.grow(size + EXTENT).toCompletableFuture().join();
            }
            long more = size + EXTENT;
            CompletionException failure =
                    assertThrows(
                            CompletionException.class,
                            () -> volume.grow(more).toCompletableFuture().join());
            Errors.assertFails(
                    ErrorCode.SR_NO_SPACE,
                    () -> {
                        throw failure.getCause();
                    });
            Errors.assertFails(ErrorCode.SR_NO_SPACE, () -> create(vhd(2), 3 * EXTENT));
            create(vhd(3), 2 * EXTENT);
            assertEquals(0, told.get());
            assertEquals(EXTENT, store.useReserve(1));
            assertEquals(more, volume.grow(more).toCompletableFuture().join());
            assertEquals(0, store.useReserve(EXTENT), "nothing is kept back any more");
            volume.shrink(EXTENT);
            assertEquals(1, told.get());
        }
        store.commit(List.of(new VolumeChange.Delete(vhd(3))));
        assertEquals(2, told.get());
        StoreSpace space = store.space();
        assertTrue(space.freeBytes() > space.physicalSizeBytes() * 3 / 4);
    }

    @Test
    void aPlainDiskIsRoundedUpToWholeExtents() {
        VolumeId raw = id(VolumeKind.RAW, 1);
        create(raw, EXTENT + 1);
        assertEquals(2 * EXTENT, store.find(raw).orElseThrow().sizeBytes());
        create(vhd(2), 0);
        assertEquals(EXTENT, store.find(vhd(2)).orElseThrow().sizeBytes());
    }

    @Test
    void nothingIsTakenFromDisksOfAThickRepository() {
        store.setIdentity(
                new SrIdentity(LvmTestGroup.REPOSITORY, "", "", Map.of("allocation", "thick")));
        assertTrue(store.features().contains(StoreFeature.THICK));
        assertFalse(store.features().contains(StoreFeature.SPARSE));
        create(vhd(1), 3 * EXTENT);
        try (StoreVolume volume = store.open(vhd(1), true)) {
            volume.shrink(EXTENT);
            assertEquals(3 * EXTENT, volume.device().geometry().sizeBytes());
        }
        store.close();
        store = open();
        assertTrue(store.features().contains(StoreFeature.THICK));
    }

    /** What is written over and over again takes no more room than it needs. */
    @Test
    void theLogOfAttributesIsMadeAnewWhenItIsFull() {
        create(vhd(1), EXTENT);
        create(vhd(2), EXTENT);
        String text = "x".repeat(100_000);
        for (int i = 0; i < 200; i++) {
            Map<String, String> attributes = Map.of("label", i + text);
            store.commit(List.of(new VolumeChange.SetAttributes(vhd(1), attributes)));
        }
        store.commit(List.of(new VolumeChange.SetAttributes(vhd(2), Map.of("label", "b"))));
        store.close();
        store = open();
        Map<String, String> last = Map.of("label", 199 + text);
        assertEquals(last, store.find(vhd(1)).orElseThrow().attributes());
        assertEquals("b", store.find(vhd(2)).orElseThrow().attributes().get("label"));
        assertEquals(List.of(), store.problems());
        long used = GroupMetadata.open(medium).group().extents();
        used -= GroupMetadata.open(medium).group().freeExtents();
        assertTrue(used <= 2 + 1 + 2, "two disks, the management volume and the log: " + used);
    }
}
