// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/**
 * Takes the power away before every step of every kind of commit, and again before every step of
 * the recovery, and looks whether all of the changes are there or none. {@link CrashingFileOps}
 * says what may get lost.
 *
 * <p>The listing of a volume holds the number of its inode where the space it takes would be, so
 * that bytes that came under the wrong name are seen.
 */
class CommitCrashTest {
    private static final Path ROOT = Path.of("/sr");
    private static final int COINS = 12;

    private static final VolumeId A = vhd(1);
    private static final VolumeId B = vhd(2);
    private static final VolumeId C = vhd(3);
    private static final VolumeId INCOMING = new VolumeId(VolumeKind.INCOMING, new UUID(0, 9));
    private static final VolumeId PLAN = new VolumeId(VolumeKind.JOURNAL, new UUID(0, 8));
    private static final Map<String, String> NEW = Map.of("label", "new");

    private static VolumeId vhd(int number) {
        return new VolumeId(VolumeKind.VHD, new UUID(0, number));
    }

    static List<Named<List<VolumeChange>>> commits() {
        return List.of(
                Named.of("create", List.of(create(C, Map.of()))),
                Named.of("create with attributes", List.of(create(C, NEW))),
                Named.of("delete", List.of(new VolumeChange.Delete(A))),
                Named.of("rename", List.of(new VolumeChange.Rename(A, C))),
                Named.of("replace", List.of(new VolumeChange.Rename(A, B))),
                Named.of("attributes", List.of(new VolumeChange.SetAttributes(A, NEW))),
                Named.of("no attributes", List.of(new VolumeChange.SetAttributes(A, Map.of()))),
                Named.of("marks", List.of(new VolumeChange.SetMarks(B, true, true))),
                Named.of(
                        "finish an image",
                        List.of(
                                new VolumeChange.Rename(INCOMING, C),
                                new VolumeChange.SetAttributes(C, NEW))),
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
                        List.of(new VolumeChange.Delete(A), create(A, Map.of()))),
                Named.of(
                        "delete everything",
                        List.of(
                                new VolumeChange.Delete(A),
                                new VolumeChange.Delete(B),
                                new VolumeChange.Delete(INCOMING))));
    }

    private static VolumeChange create(VolumeId id, Map<String, String> attributes) {
        return new VolumeChange.Create(id, 4096, attributes);
    }

    private static FileVolumeStore store(CrashingFileOps disk) {
        return new FileVolumeStore(
                ROOT, disk, new OpenFiles(FileStoreSettings.DEFAULT, Runnable::run));
    }

    private static CrashingFileOps startingDisk() {
        CrashingFileOps disk = new CrashingFileOps();
        store(disk)
                .commit(
                        List.of(
                                create(A, Map.of("label", "a")),
                                create(B, Map.of()),
                                create(INCOMING, Map.of())));
        disk.powerOn(false);
        return disk;
    }

    /** What lasts: incoming images are gone after every restart. */
    private static Set<VolumeInfo> lasting(FileVolumeStore store) {
        return store.list().stream()
                .filter(volume -> volume.id().kind() != VolumeKind.INCOMING)
                .collect(Collectors.toCollection(HashSet::new));
    }

    private static Set<VolumeInfo> after(List<VolumeChange> changes) {
        CrashingFileOps disk = startingDisk();
        FileVolumeStore store = store(disk);
        store.commit(changes);
        return lasting(store);
    }

    private static void crashBefore(int step, CrashingFileOps disk, Runnable work) {
        disk.crashBefore(step);
        assertThrows(CrashingFileOps.PowerLoss.class, work::run, "step " + step);
    }

    /** Every way in which the power may come back. */
    private static void inEveryWay(Consumer<Consumer<CrashingFileOps>> trial) {
        trial.accept(disk -> disk.powerOn(true));
        trial.accept(disk -> disk.powerOn(false));
        for (int seed = 0; seed < COINS; seed++) {
            Random coin = new Random(seed);
            trial.accept(disk -> disk.powerOn(coin));
        }
    }

    private static int stepsOf(CrashingFileOps disk, Runnable work) {
        disk.crashBefore(Integer.MAX_VALUE);
        work.run();
        return disk.endOfCount();
    }

    @ParameterizedTest
    @MethodSource("commits")
    void crashBeforeAnyStepLeavesAllOrNothing(List<VolumeChange> changes) {
        Set<VolumeInfo> none = lasting(store(startingDisk()));
        Set<VolumeInfo> all = after(changes);
        CrashingFileOps counted = startingDisk();
        int steps = stepsOf(counted, () -> store(counted).commit(changes));
        for (int step = 0; step < steps; step++) {
            int at = step;
            inEveryWay(
                    powerOn -> {
                        CrashingFileOps disk = startingDisk();
                        crashBefore(at, disk, () -> store(disk).commit(changes));
                        powerOn.accept(disk);
                        FileVolumeStore restarted = store(disk);
                        restarted.recover();
                        assertAllOrNone(none, all, restarted, "before step " + at);
                        assertClean(disk);
                    });
        }
    }

    @ParameterizedTest
    @MethodSource("commits")
    void crashDuringTheRecoveryLeavesAllOrNothing(List<VolumeChange> changes) {
        Set<VolumeInfo> none = lasting(store(startingDisk()));
        Set<VolumeInfo> all = after(changes);
        CrashingFileOps counted = startingDisk();
        int steps = stepsOf(counted, () -> store(counted).commit(changes));
        for (int step = 0; step < steps; step++) {
            int at = step;
            inEveryWay(powerOn -> crashTwice(changes, at, powerOn, none, all));
        }
    }

    private static void crashTwice(
            List<VolumeChange> changes,
            int first,
            Consumer<CrashingFileOps> powerOn,
            Set<VolumeInfo> none,
            Set<VolumeInfo> all) {
        for (int second = 0; ; second++) {
            CrashingFileOps disk = startingDisk();
            crashBefore(first, disk, () -> store(disk).commit(changes));
            powerOn.accept(disk);
            disk.crashBefore(second);
            try {
                store(disk).recover();
                disk.endOfCount();
                return;
            } catch (CrashingFileOps.PowerLoss e) {
                powerOn.accept(disk);
            }
            FileVolumeStore restarted = store(disk);
            restarted.recover();
            assertAllOrNone(none, all, restarted, "before steps %d, %d".formatted(first, second));
            assertClean(disk);
        }
    }

    @ParameterizedTest
    @MethodSource("commits")
    void whatWasCommittedIsThereAfterPowerLoss(List<VolumeChange> changes) {
        Set<VolumeInfo> all = after(changes);
        inEveryWay(
                powerOn -> {
                    CrashingFileOps disk = startingDisk();
                    store(disk).commit(changes);
                    powerOn.accept(disk);
                    FileVolumeStore restarted = store(disk);
                    restarted.recover();
                    assertEquals(all, lasting(restarted));
                    assertClean(disk);
                });
    }

    /**
     * A step that fails, rather than the power: either nothing has changed, or the next commit
     * finishes the changes. In between, a power loss still leaves all or nothing.
     */
    @ParameterizedTest
    @MethodSource("commits")
    void failureOfAnyStepLeavesAllOrNothing(List<VolumeChange> changes) {
        Set<VolumeInfo> none = lasting(store(startingDisk()));
        Set<VolumeInfo> all = after(changes);
        CrashingFileOps counted = startingDisk();
        int steps = stepsOf(counted, () -> store(counted).commit(changes));
        for (int step = 0; step < steps; step++) {
            for (int failing = 1; failing < 16; failing += 2) {
                CrashingFileOps disk = startingDisk();
                FileVolumeStore store = store(disk);
                failFrom(disk, store, changes, step, failing);
                store.commit(List.of());
                assertAllOrNone(none, all, store, "failing at step " + step);
                assertClean(disk);
                int at = step;
                int pattern = failing;
                inEveryWay(
                        powerOn -> {
                            CrashingFileOps other = startingDisk();
                            failFrom(other, store(other), changes, at, pattern);
                            powerOn.accept(other);
                            FileVolumeStore restarted = store(other);
                            restarted.recover();
                            assertAllOrNone(none, all, restarted, "failing at step " + at);

                            // The same, with another commit in between that cleans up.
                            CrashingFileOps cleaned = startingDisk();
                            FileVolumeStore cleaning = store(cleaned);
                            failFrom(cleaned, cleaning, changes, at, pattern);
                            cleaning.commit(List.of());
                            Set<VolumeInfo> seen = lasting(cleaning);
                            powerOn.accept(cleaned);
                            FileVolumeStore after = store(cleaned);
                            after.recover();
                            assertAllOrNone(none, all, after, "cleaned up after step " + at);
                            if (seen.equals(all) && changes.size() > 1) {
                                assertEquals(all, lasting(after), "what was seen stays");
                            }
                        });
            }
        }
    }

    private static void failFrom(
            CrashingFileOps disk,
            FileVolumeStore store,
            List<VolumeChange> changes,
            int step,
            int pattern) {
        disk.crashBefore(Integer.MAX_VALUE);
        for (int i = 0; i < Integer.SIZE; i++) {
            if ((pattern >> i & 1) != 0) {
                disk.failAt(step + i, ErrorCode.SR_IO_ERROR);
            }
        }
        assertThrows(StorageException.class, () -> store.commit(changes));
        disk.endOfCount();
    }

    @Test
    void incomingImagesAreGoneAfterARestart() {
        CrashingFileOps disk = startingDisk();
        FileVolumeStore store = store(disk);
        assertTrue(store.find(INCOMING).isPresent());
        store.recover();
        assertTrue(store.find(INCOMING).isEmpty());
    }

    private static void assertAllOrNone(
            Set<VolumeInfo> none, Set<VolumeInfo> all, FileVolumeStore store, String when) {
        Set<VolumeInfo> now = lasting(store);
        if (!now.equals(none)) {
            assertEquals(all, now, when);
        }
    }

    private static void assertClean(CrashingFileOps disk) {
        Names names = new Names(ROOT);
        assertEquals(List.of(), disk.names(names.commits));
        assertEquals(List.of(), disk.names(names.staging));
    }
}
