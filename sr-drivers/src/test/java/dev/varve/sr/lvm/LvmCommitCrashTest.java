// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.CrashMedium;
import dev.varve.sr.lvm.meta.Author;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.function.UnaryOperator;

/**
 * The power goes off after every write of a commit, and the disk keeps any of what was not flushed.
 * Afterwards all of the commit has happened or none, what is new reads as zero, what was there is
 * unharmed, and the repository works.
 */
class LvmCommitCrashTest {
    private static final long MEDIUM_BYTES = 8 << 20;
    private static final int EXTENT_BYTES = 16 << 10;
    private static final int COINS = 3;

    /** What was on the disk before. */
    private static final byte OTHERS = (byte) 0xaa;

    private static final LvmStoreSettings SETTINGS =
            new LvmStoreSettings(EXTENT_BYTES, EXTENT_BYTES, 16, 1 << 20, 2 * EXTENT_BYTES);

    private static final VolumeId A = vhd(1);
    private static final VolumeId B = vhd(2);
    private static final VolumeId C = vhd(3);
    private static final VolumeId INCOMING = new VolumeId(VolumeKind.INCOMING, new UUID(0, 9));
    private static final VolumeId PLAN = new VolumeId(VolumeKind.JOURNAL, new UUID(0, 8));
    private static final Map<String, String> NEW = Map.of("label", "new");
    private static final Map<String, String> LONG = Map.of("label", "long ".repeat(4000));

    private static VolumeId vhd(int number) {
        return new VolumeId(VolumeKind.VHD, new UUID(0, number));
    }

    static List<Named<List<VolumeChange>>> commits() {
        return List.of(
                Named.of("create", List.of(create(C, Map.of()))),
                Named.of("create with attributes", List.of(create(C, NEW))),
                Named.of("delete", List.of(new VolumeChange.Delete(A))),
                Named.of("replace", List.of(new VolumeChange.Rename(A, B))),
                Named.of("attributes", List.of(new VolumeChange.SetAttributes(A, NEW))),
                Named.of(
                        "attributes of two",
                        List.of(
                                new VolumeChange.SetAttributes(A, NEW),
                                new VolumeChange.SetAttributes(B, NEW))),
                Named.of("so many that a new log is made", List.of(create(C, LONG))),
                Named.of("marks", List.of(new VolumeChange.SetMarks(B, true, true))),
                Named.of(
                        "snapshot",
                        List.of(
                                new VolumeChange.Rename(A, C),
                                new VolumeChange.SetMarks(C, true, true),
                                new VolumeChange.Rename(INCOMING, A),
                                new VolumeChange.SetAttributes(A, NEW),
                                create(PLAN, Map.of()))),
                Named.of(
                        "swap",
                        List.of(
                                new VolumeChange.Rename(A, C),
                                new VolumeChange.Rename(B, A),
                                new VolumeChange.Rename(C, B))),
                Named.of(
                        "delete and make again",
                        List.of(new VolumeChange.Delete(A), create(A, Map.of()))));
    }

    private static VolumeChange create(VolumeId id, Map<String, String> attributes) {
        return new VolumeChange.Create(id, 3 * EXTENT_BYTES, attributes);
    }

    /** Without locks: others look at the disk in the middle of a commit. */
    private static GroupMetadata metadata(BlockMedium disk) {
        return GroupMetadata.open(List.of(disk), Author.system(), Path.of("/nowhere"));
    }

    private static LvmVolumeStore open(BlockMedium disk) {
        return new LvmVolumeStore(
                new LvmAccess(
                        disk,
                        metadata(disk),
                        GroupOwner.alone(),
                        SETTINGS,
                        Runnable::run,
                        LvmTestGroup.HOST));
    }

    private static CrashMedium startingDisk(int blockBytes) {
        CrashMedium disk = new CrashMedium("disk", MEDIUM_BYTES, blockBytes, OTHERS);
        GroupMetadata.create(
                disk,
                VolumeNames.group(LvmTestGroup.REPOSITORY),
                RandomSource.of(new Random(1)),
                Clock.system(),
                1 << 20,
                EXTENT_BYTES,
                List.of());
        LvmVolumeStore store = open(disk);
        store.recover();
        store.setIdentity(
                new SrIdentity(LvmTestGroup.REPOSITORY, "label", "description", Map.of("a", "b")));
        store.commit(
                List.of(
                        create(A, Map.of("label", "a")),
                        create(INCOMING, Map.of()),
                        create(B, Map.of("label", "b"))));
        fill(disk, A, 1);
        fill(disk, B, 2);
        disk.flush();
        return disk;
    }

    private static VolumeBytes bytes(CrashMedium disk, VolumeId id) {
        GroupMetadata metadata = metadata(disk);
        LogicalVolume volume = metadata.group().volume(VolumeNames.of(id)).orElseThrow();
        return new VolumeBytes(
                disk, ExtentMap.of(volume, metadata.group().extentBytes(), metadata::offsetOf));
    }

    private static void fill(CrashMedium disk, VolumeId id, int value) {
        byte[] bytes = new byte[3 * EXTENT_BYTES];
        Arrays.fill(bytes, (byte) value);
        bytes(disk, id).write(0, bytes);
    }

    private static Map<VolumeId, VolumeInfo> list(LvmVolumeStore store) {
        Map<VolumeId, VolumeInfo> volumes = new HashMap<>();
        store.list().forEach(volume -> volumes.put(volume.id(), volume));
        return volumes;
    }

    private static Map<VolumeId, Byte> read(CrashMedium disk, Iterable<VolumeId> ids) {
        Map<VolumeId, Byte> contents = new HashMap<>();
        for (VolumeId id : ids) {
            byte[] found = bytes(disk, id).read(0, 3 * EXTENT_BYTES);
            byte[] same = new byte[found.length];
            Arrays.fill(same, found[0]);
            assertArrayEquals(same, found, id + " is a mixture");
            contents.put(id, found[0]);
        }
        return contents;
    }

    private record Outcome(Map<VolumeId, VolumeInfo> volumes, Map<VolumeId, Byte> contents) {
        static Outcome of(CrashMedium disk) {
            Map<VolumeId, VolumeInfo> volumes = list(open(disk));
            return new Outcome(volumes, read(disk, volumes.keySet()));
        }
    }

    @ParameterizedTest
    @MethodSource("commits")
    void leavesAllOrNothing(List<VolumeChange> changes) {
        leavesAllOrNothing(changes, 512, disk -> disk);
    }

    @ParameterizedTest
    @MethodSource("commits")
    void leavesAllOrNothingOnLargeBlocks(List<VolumeChange> changes) {
        leavesAllOrNothing(changes, 4096, disk -> disk);
    }

    /**
     * Commits, and looks at what each crash leaves.
     *
     * @param faults what the commit sees instead of the disk
     */
    static void leavesAllOrNothing(
            List<VolumeChange> changes, int blockBytes, UnaryOperator<BlockMedium> faults) {
        CrashMedium start = startingDisk(blockBytes);
        Outcome before = Outcome.of(start);
        CrashMedium done = start.copy();
        open(done).commit(changes);
        Outcome after = Outcome.of(done);
        List<Outcome> seen = new ArrayList<>();
        crashEverywhere(start.copy(), faults, changes, before, after, seen);
        assertTrue(seen.contains(before), "no crash came before the commit");
        assertTrue(seen.contains(after), "no crash came after the commit");
    }

    private static void crashEverywhere(
            CrashMedium disk,
            UnaryOperator<BlockMedium> faults,
            List<VolumeChange> changes,
            Outcome before,
            Outcome after,
            List<Outcome> seen) {
        Random random = new Random(changes.hashCode());
        LvmVolumeStore store = open(faults.apply(disk));
        Runnable crash =
                () -> {
                    for (CrashMedium survivor : disk.survivors(random, COINS)) {
                        Outcome outcome = Outcome.of(survivor);
                        assertTrue(
                                outcome.equals(before) || outcome.equals(after),
                                () -> "half a commit:\n" + outcome + "\n" + before + "\n" + after);
                        seen.add(outcome);
                        assertWorks(survivor, outcome);
                    }
                };
        disk.afterWrite(crash);
        store.commit(changes);
        disk.afterWrite(() -> {});
        disk.survivors(random, COINS)
                .forEach(survivor -> assertEquals(after, Outcome.of(survivor), "lost"));
    }

    /** What follows a crash is kept too, and brings nothing of the crash to life. */
    private static void assertWorks(CrashMedium disk, Outcome outcome) {
        LvmVolumeStore store = open(disk);
        store.recover();
        Map<VolumeId, VolumeInfo> expected = new HashMap<>(outcome.volumes());
        expected.remove(INCOMING);
        assertEquals(expected, list(store));
        assertEquals("label", store.identity().label());
        VolumeId more = vhd(7);
        store.commit(List.of(create(more, Map.of("label", "more"))));
        store.commit(List.of(new VolumeChange.SetAttributes(more, Map.of("label", "much more"))));
        Map<VolumeId, VolumeInfo> found = list(open(disk));
        assertEquals("much more", found.remove(more).attributes().get("label"));
        assertEquals(expected, found);
        assertEquals((byte) 0, read(disk, List.of(more)).get(more));
        assertEquals(List.of(), store.problems());
    }
}
