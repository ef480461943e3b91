// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.contract;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletionException;

/** What every store of volumes does, whatever it is made of. */
public interface VolumeStoreContract {
    /** How large a small volume is. */
    int MEBIBYTE = 1 << 20;

    /** The store under test, empty at first. */
    VolumeStore store();

    /** The same store, closed and opened again as after a restart. */
    VolumeStore reopen();

    /** What sizes of volumes are multiples of in this store: others are rounded up. */
    default long unitBytes() {
        return 1;
    }

    private long rounded(long sizeBytes) {
        return (sizeBytes + unitBytes() - 1) / unitBytes() * unitBytes();
    }

    private static VolumeId id(VolumeKind kind) {
        return new VolumeId(kind, UUID.randomUUID());
    }

    private static VolumeId vhd() {
        return id(VolumeKind.VHD);
    }

    private static VolumeChange.Create creation(VolumeId id) {
        return new VolumeChange.Create(id, MEBIBYTE, Map.of());
    }

    private VolumeInfo create(VolumeId id, Map<String, String> attributes) {
        store().commit(List.of(new VolumeChange.Create(id, MEBIBYTE, attributes)));
        return store().find(id).orElseThrow();
    }

    private static Set<VolumeInfo> all(VolumeStore store) {
        List<VolumeInfo> list = store.list();
        Set<VolumeInfo> set = new HashSet<>(list);
        assertEquals(list.size(), set.size(), "a volume is listed once");
        return set;
    }

    private void assertNothingChanges(ErrorCode code, VolumeChange... changes) {
        Set<VolumeInfo> before = all(store());
        assertFails(code, () -> store().commit(List.of(changes)));
        assertEquals(before, all(store()));
        assertEquals(before, all(reopen()));
    }

    @Test
    default void emptyStoreListsNothingAndHasRoom() {
        assertEquals(List.of(), store().list());
        assertTrue(store().space().physicalSizeBytes() > 0);
        assertTrue(store().space().freeBytes() > 0);
    }

    @ParameterizedTest
    @EnumSource(VolumeKind.class)
    default void volumeOfEveryKindIsMadeFoundAndRemoved(VolumeKind kind) {
        VolumeId id = id(kind);
        VolumeInfo made = create(id, Map.of("label", "a"));
        assertEquals(id, made.id());
        assertEquals(rounded(MEBIBYTE), made.sizeBytes());
        assertEquals(Map.of("label", "a"), made.attributes());
        assertFalse(made.hidden());
        assertFalse(made.readOnly());
        if (store().features().contains(StoreFeature.SPARSE)) {
            assertTrue(made.allocatedBytes() < MEBIBYTE, "space is taken when it is written");
        }
        assertEquals(Set.of(made), all(store()));
        store().commit(List.of(new VolumeChange.Delete(id)));
        assertEquals(Set.of(), all(store()));
        assertTrue(store().find(id).isEmpty());
    }

    @Test
    default void volumesOfDifferentKindShareAUuid() {
        UUID uuid = UUID.randomUUID();
        for (VolumeKind kind : VolumeKind.values()) {
            create(new VolumeId(kind, uuid), Map.of("kind", kind.name()));
        }
        assertEquals(VolumeKind.values().length, all(store()).size());
        for (VolumeKind kind : VolumeKind.values()) {
            Map<String, String> attributes =
                    store().find(new VolumeId(kind, uuid)).orElseThrow().attributes();
            assertEquals(Map.of("kind", kind.name()), attributes);
        }
    }

    @Test
    default void namesOfVolumesAreThoseThatAreListed() {
        for (VolumeKind kind : VolumeKind.values()) {
            create(id(kind), Map.of());
        }
        Set<VolumeId> listed = new HashSet<>();
        all(store()).forEach(volume -> listed.add(volume.id()));
        assertEquals(listed, Set.copyOf(store().ids()));
    }

    /** An image that rests on another one names it so that it is found again. */
    @ParameterizedTest
    @EnumSource(
            value = VolumeKind.class,
            names = {"VHD", "RAW"})
    default void aDiskIsFoundByItsName(VolumeKind kind) {
        VolumeId id = id(kind);
        String name = store().nameOf(id);
        assertEquals(Optional.of(id), store().named(name));
        assertEquals(Optional.empty(), store().named("x" + name));
        assertEquals(Optional.empty(), store().named("../" + name));
        assertEquals(Optional.empty(), store().named(""));
    }

    @Test
    default void everythingButWhatIsIncomingIsThereAfterAReopen() {
        for (VolumeKind kind : VolumeKind.values()) {
            create(id(kind), Map.of("kind", kind.name()));
        }
        Set<VolumeInfo> kept = all(store());
        kept.removeIf(volume -> volume.id().kind() == VolumeKind.INCOMING);
        assertEquals(kept, all(reopen()));
    }

    @Test
    default void createRefusesATakenName() {
        VolumeId id = vhd();
        create(id, Map.of());
        assertNothingChanges(ErrorCode.VDI_EXISTS, creation(vhd()), creation(id));
        VolumeId twice = vhd();
        assertNothingChanges(ErrorCode.VDI_EXISTS, creation(twice), creation(twice));
    }

    @Test
    default void changesOfMissingVolumesAreRefused() {
        VolumeId none = vhd();
        create(vhd(), Map.of());
        assertNothingChanges(
                ErrorCode.VDI_NOT_ON_STORAGE,
                creation(vhd()),
                new VolumeChange.Rename(none, vhd()));
        assertNothingChanges(
                ErrorCode.VDI_NOT_ON_STORAGE,
                creation(vhd()),
                new VolumeChange.SetAttributes(none, Map.of()));
        assertNothingChanges(
                ErrorCode.VDI_NOT_ON_STORAGE,
                creation(vhd()),
                new VolumeChange.SetMarks(none, true, true));
    }

    @Test
    default void removingAMissingVolumeIsNoError() {
        store().commit(List.of(new VolumeChange.Delete(vhd())));
        assertEquals(Set.of(), all(store()));
    }

    @Test
    default void emptyCommitIsNoError() {
        store().commit(List.of());
        assertEquals(Set.of(), all(store()));
    }

    @Test
    default void negativeSizeIsRefused() {
        assertNothingChanges(
                ErrorCode.VDI_SIZE, creation(vhd()), new VolumeChange.Create(vhd(), -1, Map.of()));
    }

    @Test
    default void marksAndAttributesAreReplacedIndependently() {
        VolumeId id = vhd();
        create(id, Map.of("label", "a", "gone", "b"));
        store().commit(List.of(new VolumeChange.SetMarks(id, true, true)));
        store().commit(List.of(new VolumeChange.SetAttributes(id, Map.of("label", "c"))));
        VolumeInfo now = reopen().find(id).orElseThrow();
        assertTrue(now.readOnly());
        assertTrue(now.hidden());
        assertEquals(Map.of("label", "c"), now.attributes());
        store().commit(
                        List.of(
                                new VolumeChange.SetMarks(id, false, false),
                                new VolumeChange.SetAttributes(id, Map.of())));
        VolumeInfo cleared = reopen().find(id).orElseThrow();
        assertFalse(cleared.readOnly());
        assertFalse(cleared.hidden());
        assertEquals(Map.of(), cleared.attributes());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "grüße 日本語 🗄",
                "line\nbreak\ttab",
                "\u0000\u0001\u001f\u007f",
                "\"\\/{}[]",
                "../../etc/passwd",
                "\ufeff\u202e"
            })
    default void anyTextSurvivesAsAnAttribute(String text) {
        VolumeId id = vhd();
        Map<String, String> attributes = Map.of("label", text, "key " + text, "value");
        create(id, attributes);
        assertEquals(attributes, reopen().find(id).orElseThrow().attributes());
    }

    /** Half of a surrogate pair is no text; what is around it must not suffer. */
    @Test
    default void halfACharacterDoesNotDamageTheRest() {
        VolumeId id = vhd();
        create(id, Map.of("label", "a\ud800b\udc00", "k\udfff", "🗄"));
        Map<String, String> kept = reopen().find(id).orElseThrow().attributes();
        assertEquals(Map.of("label", "a\ufffdb\ufffd", "k\ufffd", "🗄"), kept);
    }

    @Test
    default void veryLongTextSurvivesAsAnAttribute() {
        VolumeId id = vhd();
        Map<String, String> attributes = Map.of("label", "ä".repeat(100_000));
        create(id, attributes);
        assertEquals(attributes, reopen().find(id).orElseThrow().attributes());
    }

    @Test
    default void renameKeepsBytesAttributesAndMarksAndReplacesTheTarget() {
        VolumeId from = vhd();
        VolumeId to = vhd();
        create(from, Map.of("label", "from"));
        create(to, Map.of("label", "to"));
        fill(from, 7);
        store().commit(List.of(new VolumeChange.SetMarks(from, false, true)));
        store().commit(List.of(new VolumeChange.Rename(from, to)));
        assertEquals(1, all(reopen()).size());
        VolumeInfo now = store().find(to).orElseThrow();
        assertEquals(Map.of("label", "from"), now.attributes());
        assertTrue(now.hidden());
        assertFilled(to, 7);
    }

    @Test
    default void renameToItselfChangesNothing() {
        VolumeId id = vhd();
        VolumeInfo made = create(id, Map.of("label", "x"));
        store().commit(List.of(new VolumeChange.Rename(id, id)));
        assertEquals(Set.of(made), all(reopen()));
    }

    @Test
    default void finishedImageGetsItsNameAndAttributesInOneCommit() {
        UUID uuid = UUID.randomUUID();
        VolumeId incoming = new VolumeId(VolumeKind.INCOMING, uuid);
        VolumeId image = new VolumeId(VolumeKind.VHD, uuid);
        create(incoming, Map.of());
        fill(incoming, 3);
        store().commit(
                        List.of(
                                new VolumeChange.Rename(incoming, image),
                                new VolumeChange.SetAttributes(image, Map.of("label", "new"))));
        assertEquals(
                Set.of(image), Set.copyOf(all(reopen()).stream().map(VolumeInfo::id).toList()));
        assertEquals(Map.of("label", "new"), store().find(image).orElseThrow().attributes());
        assertFilled(image, 3);
    }

    @Test
    default void volumesSwapTheirNames() {
        VolumeId a = vhd();
        VolumeId b = vhd();
        VolumeId third = vhd();
        create(a, Map.of("label", "a"));
        create(b, Map.of("label", "b"));
        fill(a, 1);
        fill(b, 2);
        store().commit(
                        List.of(
                                new VolumeChange.Rename(a, third),
                                new VolumeChange.Rename(b, a),
                                new VolumeChange.Rename(third, b)));
        assertEquals(2, all(reopen()).size());
        assertFilled(a, 2);
        assertFilled(b, 1);
        assertEquals(Map.of("label", "b"), store().find(a).orElseThrow().attributes());
    }

    @Test
    default void volumeIsMadeWhereOneWasRemovedInTheSameCommit() {
        VolumeId id = vhd();
        create(id, Map.of("label", "old"));
        fill(id, 5);
        store().commit(List.of(new VolumeChange.Delete(id), creation(id)));
        assertEquals(Map.of(), reopen().find(id).orElseThrow().attributes());
        assertFilled(id, 0);
    }

    @Test
    default void newVolumeReadsAsZeroAndKeepsWhatIsWritten() {
        VolumeId id = vhd();
        create(id, Map.of());
        assertFilled(id, 0);
        fill(id, 0xAB);
        reopen();
        assertFilled(id, 0xAB);
    }

    @Test
    default void openingAMissingVolumeFails() {
        assertFails(ErrorCode.VDI_NOT_ON_STORAGE, () -> store().open(vhd(), false).close());
    }

    @Test
    default void readOnlyVolumeIsNotOpenedForWriting() {
        VolumeId id = vhd();
        create(id, Map.of());
        store().commit(List.of(new VolumeChange.SetMarks(id, true, false)));
        assertFails(ErrorCode.VDI_READONLY, () -> store().open(id, true).close());
        try (StoreVolume volume = store().open(id, false)) {
            assertFalse(volume.device().features().contains(BlockFeature.WRITE));
        }
    }

    @Test
    default void volumeIsOpenForWritingOnce() {
        VolumeId id = vhd();
        create(id, Map.of());
        try (StoreVolume first = store().open(id, true)) {
            assertEquals(id, first.id());
            assertFails(ErrorCode.SR_VDI_IN_USE, () -> store().open(id, true).close());
        }
        store().open(id, true).close();
    }

    @Test
    default void readersShareAVolume() {
        VolumeId id = vhd();
        create(id, Map.of());
        fill(id, 4);
        StoreVolume first = store().open(id, false);
        try (DirectContext lane = new DirectContext();
                StoreVolume second = store().open(id, false)) {
            first.device().close();
            first.close();
            first.close();
            byte[] expected = new byte[4096];
            Arrays.fill(expected, (byte) 4);
            assertArrayEquals(expected, lane.read(second.device(), 0, 4096));
        }
    }

    @Test
    default void openVolumeIsNotRemovedOrReplaced() {
        VolumeId id = vhd();
        VolumeId other = vhd();
        create(id, Map.of());
        create(other, Map.of());
        try (StoreVolume volume = store().open(id, false)) {
            assertEquals(id, volume.id());
            Set<VolumeInfo> before = all(store());
            assertFails(
                    ErrorCode.SR_VDI_IN_USE,
                    () -> store().commit(List.of(new VolumeChange.Delete(id))));
            assertFails(
                    ErrorCode.SR_VDI_IN_USE,
                    () -> store().commit(List.of(new VolumeChange.Rename(other, id))));
            assertEquals(before, all(store()));
        }
        store().commit(List.of(new VolumeChange.Delete(id)));
    }

    @Test
    default void openVolumeFollowsItsFileToANewName() {
        VolumeId from = vhd();
        VolumeId to = vhd();
        create(from, Map.of());
        try (DirectContext lane = new DirectContext();
                StoreVolume volume = store().open(from, true)) {
            store().commit(List.of(new VolumeChange.Rename(from, to)));
            assertEquals(to, volume.id());
            assertFails(ErrorCode.SR_VDI_IN_USE, () -> store().open(to, true).close());
            lane.write(volume.device(), 0, MEBIBYTE, 6);
        }
        assertFilled(to, 6);
    }

    @Test
    default void storeIsNotClosedUnderAnOpenVolume() {
        VolumeId id = vhd();
        create(id, Map.of());
        try (StoreVolume volume = store().open(id, false)) {
            assertEquals(id, volume.id());
            assertThrows(IllegalStateException.class, () -> store().close());
        }
    }

    @Test
    default void grownPartReadsAsZeroAndIsThereAfterAReopen() {
        VolumeId id = vhd();
        create(id, Map.of());
        fill(id, 8);
        long size;
        try (DirectContext lane = new DirectContext();
                StoreVolume reader = store().open(id, false);
                StoreVolume volume = store().open(id, true)) {
            long wanted = Math.max(3L * MEBIBYTE, 3 * unitBytes());
            size = volume.grow(wanted).toCompletableFuture().join();
            assertTrue(size >= wanted);
            assertEquals(size, volume.device().geometry().sizeBytes());
            assertEquals(size, reader.device().geometry().sizeBytes());
            assertArrayEquals(new byte[4096], lane.read(volume.device(), MEBIBYTE, 4096));
            assertArrayEquals(new byte[4096], lane.read(reader.device(), size - 4096, 4096));
            assertEquals(size, volume.grow(MEBIBYTE).toCompletableFuture().join());
        }
        assertEquals(size, reopen().find(id).orElseThrow().sizeBytes());
    }

    @Test
    default void rawVolumeGrowsExactly() {
        VolumeId id = id(VolumeKind.RAW);
        create(id, Map.of());
        try (StoreVolume volume = store().open(id, true)) {
            long wanted = 3 * unitBytes() + 3L * MEBIBYTE;
            assertEquals(rounded(wanted), volume.grow(wanted).toCompletableFuture().join());
        }
    }

    @Test
    default void shrunkVolumeHasExactlyTheSize() {
        VolumeId id = vhd();
        long half = Math.max(MEBIBYTE / 2, unitBytes());
        store().commit(List.of(new VolumeChange.Create(id, 2 * half, Map.of())));
        try (StoreVolume volume = store().open(id, true)) {
            assertEquals(half, volume.sizeAfterShrink(half));
            assertEquals(half, volume.sizeAfterShrink(half - unitBytes() / 2));
            assertEquals(2 * half, volume.sizeAfterShrink(2 * half));
            volume.shrink(half);
            assertEquals(half, volume.device().geometry().sizeBytes());
            assertThrows(IllegalArgumentException.class, () -> volume.shrink(2 * half));
        }
        assertEquals(half, store().find(id).orElseThrow().sizeBytes());
    }

    @Test
    default void volumeOpenForReadingDoesNotGrow() {
        VolumeId id = vhd();
        create(id, Map.of());
        try (StoreVolume volume = store().open(id, false)) {
            assertThrows(IllegalArgumentException.class, () -> volume.grow(2L * MEBIBYTE));
        }
    }

    @Test
    default void sizeThatNoStoreHasIsRefusedAndChangesNothing() {
        assertNothingChanges(
                ErrorCode.SR_NO_SPACE,
                creation(vhd()),
                new VolumeChange.Create(vhd(), 1L << 62, Map.of("label", "too large")));
        VolumeId id = vhd();
        create(id, Map.of());
        try (StoreVolume volume = store().open(id, true)) {
            CompletionException failure =
                    assertThrows(
                            CompletionException.class,
                            () -> volume.grow(1L << 62).toCompletableFuture().join());
            assertFails(
                    ErrorCode.SR_NO_SPACE,
                    () -> {
                        throw failure.getCause();
                    });
            assertEquals(rounded(MEBIBYTE), volume.device().geometry().sizeBytes());
        }
    }

    @Test
    default void thousandVolumesAreListed() {
        List<VolumeChange> changes = new ArrayList<>();
        Map<VolumeId, String> expected = new HashMap<>();
        for (int i = 0; i < 1000; i++) {
            VolumeId id = vhd();
            expected.put(id, "disk " + i);
            changes.add(new VolumeChange.Create(id, MEBIBYTE, Map.of("label", "disk " + i)));
        }
        store().commit(changes);
        Map<VolumeId, String> found = new HashMap<>();
        reopen().list().forEach(volume -> found.put(volume.id(), volume.attributes().get("label")));
        assertEquals(expected, found);
    }

    private void fill(VolumeId id, int value) {
        try (DirectContext lane = new DirectContext();
                StoreVolume volume = store().open(id, true)) {
            lane.write(volume.device(), 0, MEBIBYTE, value);
        }
    }

    private void assertFilled(VolumeId id, int value) {
        byte[] expected = new byte[MEBIBYTE];
        Arrays.fill(expected, (byte) value);
        try (DirectContext lane = new DirectContext();
                StoreVolume volume = store().open(id, false)) {
            assertArrayEquals(expected, lane.read(volume.device(), 0, MEBIBYTE));
        }
    }
}
