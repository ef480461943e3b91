// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.varve.sr.spi.Claims;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.cbt.ChangedBlocks;
import dev.varve.vdi.disk.DiskChanges;
import dev.varve.vdi.disk.DiskContent;
import dev.varve.vdi.disk.DiskDifference;
import dev.varve.vdi.disk.DiskNotes;
import dev.varve.vdi.disk.DiskReading;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.disk.Merge;
import dev.varve.vdi.disk.Merged;
import dev.varve.vdi.disk.RunningMerge;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiSpec;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.ImageMerge;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.LongConsumer;

final class ClaimedDisksTest {
    private static final UUID VDI = new UUID(1, 1);
    private static final UUID OTHER = new UUID(1, 2);
    private static final UUID NEW = new UUID(1, 3);
    private static final UUID HOST = new UUID(2, 2);

    private final List<String> steps = new ArrayList<>();
    private final Set<UUID> heldElsewhere = new HashSet<>();
    private final Set<UUID> active = new HashSet<>();
    private final List<UUID> followers = new ArrayList<>();
    private final List<UUID> changed = new ArrayList<>();
    private boolean broken;
    private final DiskService disks =
            new ClaimedDisks(
                    new RecordedDisks(), new RecordedClaims(), active::contains, changed::addAll);

    private final class RecordedClaims implements Claims {
        @Override
        public Claim acquire(UUID vdi, Mode mode) {
            if (heldElsewhere.contains(vdi)) {
                throw ErrorCode.SR_VDI_IN_USE.because("another host has it");
            }
            steps.add("acquire " + mode + " " + number(vdi));
            return new Claim(vdi, HOST, mode, 1);
        }

        @Override
        public void release(Claim claim) {
            steps.add("release " + number(claim.vdi()));
        }

        @Override
        public List<Claim> holders(UUID vdi) {
            return List.of();
        }

        @Override
        public long othersEpoch() {
            return 0;
        }

        @Override
        public boolean othersHave() {
            return false;
        }

        @Override
        public boolean alone(LongConsumer work) {
            work.accept(0);
            return true;
        }
    }

    /** A merge that has nothing to do. */
    private record Ended(Merge merge) implements RunningMerge {
        @Override
        public ImageMerge.Direction direction() {
            return merge.direction();
        }

        @Override
        public long copiedBytes() {
            return 0;
        }

        @Override
        public boolean isDone() {
            return true;
        }

        @Override
        public boolean await(Operation operation) {
            return true;
        }

        @Override
        public Optional<Merged> finish(Operation operation) {
            return Optional.empty();
        }

        @Override
        public void cancel() {}
    }

    private final class RecordedDisks implements DiskService {
        private VdiInfo step(String what) {
            steps.add(what);
            if (broken) {
                throw ErrorCode.SR_NO_SPACE.because("it is full");
            }
            return null;
        }

        @Override
        public List<VdiInfo> scan(Operation operation) {
            step("scan");
            return List.of();
        }

        @Override
        public Optional<VdiInfo> find(UUID vdi) {
            return Optional.ofNullable(step("find"));
        }

        @Override
        public VdiInfo create(VdiSpec spec, Operation operation) {
            return step("create");
        }

        @Override
        public VdiInfo resize(UUID vdi, long virtualSizeBytes, Operation operation) {
            return step("resize");
        }

        @Override
        public VdiInfo create(VdiSpec spec, DiskContent content, Operation operation) {
            return step("create");
        }

        @Override
        public DiskChanges snapshot(List<SnapshotSpec> snapshots, Operation operation) {
            return changes("snapshot");
        }

        @Override
        public DiskChanges clone(UUID source, UUID clone, Operation operation) {
            return changes("clone");
        }

        @Override
        public DiskChanges revert(UUID vdi, UUID snapshot, Operation operation) {
            return changes("revert");
        }

        @Override
        public VdiInfo copy(UUID source, DiskService target, VdiSpec spec, Operation operation) {
            return step("copy");
        }

        @Override
        public void read(UUID vdi, DiskReading reading, Operation operation) {
            step("read");
        }

        @Override
        public void compare(
                UUID base, UUID vdi, DiskDifference.Reading reading, Operation operation) {
            step("compare");
        }

        @Override
        public DiskChanges replace(UUID vdi, DiskContent content, Operation operation) {
            return changes("replace");
        }

        @Override
        public DiskChanges overwrite(UUID vdi, DiskContent content, Operation operation) {
            return changes("overwrite");
        }

        @Override
        public DiskChanges destroy(UUID vdi, Operation operation) {
            return changes("destroy");
        }

        @Override
        public List<Merge> merges(Operation operation) {
            return List.of();
        }

        @Override
        public RunningMerge merge(Merge merge, Operation operation) {
            step("merge");
            return new Ended(merge);
        }

        @Override
        public List<UUID> removeGarbage(Operation operation) {
            return List.of();
        }

        @Override
        public void recover(Operation operation) {
            step("recover");
        }

        @Override
        public VdiInfo trackChanges(UUID vdi, boolean tracked, Operation operation) {
            return step("track");
        }

        @Override
        public DiskChanges destroyData(UUID snapshot, Operation operation) {
            return changes("destroy data");
        }

        @Override
        public ChangedBlocks changedBlocks(UUID from, UUID to, Operation operation) {
            step("compare");
            return new ChangedBlocks(1);
        }

        @Override
        public List<UUID> comparable(UUID vdi, Operation operation) {
            return List.of();
        }

        @Override
        public List<UUID> followers(UUID vdi, Operation operation) {
            return followers;
        }

        private DiskChanges changes(String what) {
            step(what);
            return new DiskChanges(List.of(), List.of());
        }

        @Override
        public ActiveVdi activate(UUID vdi, boolean writable, Operation operation) {
            step("activate");
            return null;
        }

        @Override
        public VdiInfo remember(UUID vdi, DiskNotes notes) {
            return step("remember");
        }

        @Override
        public VdiInfo rename(UUID vdi, String label, String description) {
            return step("rename");
        }
    }

    private static long number(UUID vdi) {
        return vdi.getLeastSignificantBits();
    }

    private static void fails(ErrorCode code, Runnable call) {
        assertEquals(code, assertThrows(StorageException.class, call::run).code());
    }

    @Test
    void changesAnImageUnderAClaim() {
        disks.resize(VDI, 1, null);
        disks.destroy(VDI, null);
        assertEquals(
                List.of(
                        "acquire WRITE 1",
                        "resize",
                        "release 1",
                        "acquire WRITE 1",
                        "destroy",
                        "release 1"),
                steps);
    }

    /** What a log says goes to the next one, which its host may be writing. */
    @Test
    void claimsTheDisksWhoseLogsAreChanged() {
        followers.add(OTHER);
        disks.destroy(VDI, null);
        disks.trackChanges(VDI, false, null);
        assertEquals(
                List.of(
                        "acquire WRITE 1",
                        "acquire WRITE 2",
                        "destroy",
                        "release 2",
                        "release 1",
                        "acquire WRITE 1",
                        "acquire WRITE 2",
                        "track",
                        "release 2",
                        "release 1"),
                steps);
        assertEquals(List.of(VDI, VDI), changed);
        heldElsewhere.add(OTHER);
        fails(ErrorCode.SR_VDI_IN_USE, () -> disks.destroy(VDI, null));
    }

    @Test
    void comparesADiskThatNoOtherHostWrites() {
        disks.changedBlocks(OTHER, VDI, null);
        active.add(VDI);
        disks.changedBlocks(OTHER, VDI, null);
        assertEquals(List.of("acquire READ 1", "compare", "release 1", "compare"), steps);
    }

    @Test
    void holdsTheClaimsOfDisksWhoseImagesAreMerged() {
        Merge merge = merge(Set.of(VDI));
        RunningMerge running = disks.merge(merge, null);
        running.finish(null);
        running.cancel();
        assertEquals(List.of("acquire WRITE 1", "merge", "release 1"), steps);
        heldElsewhere.add(VDI);
        fails(ErrorCode.SR_VDI_IN_USE, () -> disks.merge(merge, null));
    }

    private static Merge merge(Set<UUID> disks) {
        UUID node = new UUID(0, 9);
        return new Merge(VDI, node, ImageMerge.Direction.DOWN, true, disks, node, 2, 0);
    }

    @Test
    void leavesADiskAloneThatAnotherHostHas() {
        heldElsewhere.add(VDI);
        fails(ErrorCode.SR_VDI_IN_USE, () -> disks.resize(VDI, 1, null));
        fails(ErrorCode.SR_VDI_IN_USE, () -> disks.destroy(VDI, null));
        assertEquals(List.of(), steps);
    }

    @Test
    void leavesTheClaimOfItsUserAlone() {
        active.add(VDI);
        disks.resize(VDI, 1, null);
        assertEquals(List.of("resize"), steps);
    }

    @Test
    void givesTheClaimUpAfterAFailure() {
        broken = true;
        fails(ErrorCode.SR_NO_SPACE, () -> disks.destroy(VDI, null));
        assertEquals(List.of("acquire WRITE 1", "destroy", "release 1"), steps);
    }

    private static List<SnapshotSpec> ofBoth() {
        return List.of(new SnapshotSpec(VDI, NEW), new SnapshotSpec(OTHER, NEW));
    }

    @Test
    void takesAllClaimsInOrderForSnapshotsOfSeveralDisks() {
        disks.snapshot(ofBoth(), null);
        assertEquals(
                List.of("acquire WRITE 1", "acquire WRITE 2", "snapshot", "release 2", "release 1"),
                steps);
    }

    @Test
    void givesAllClaimsUpWhenOneCannotBeHadOrTheWorkFails() {
        heldElsewhere.add(OTHER);
        fails(ErrorCode.SR_VDI_IN_USE, () -> disks.snapshot(ofBoth(), null));
        assertEquals(List.of("acquire WRITE 1", "release 1"), steps);
        steps.clear();
        heldElsewhere.clear();
        broken = true;
        fails(ErrorCode.SR_NO_SPACE, () -> disks.snapshot(ofBoth(), null));
        assertEquals(
                List.of("acquire WRITE 1", "acquire WRITE 2", "snapshot", "release 2", "release 1"),
                steps);
    }

    @Test
    void claimsOnlyThoseDisksOfAGroupThatAreNotActiveHere() {
        active.add(VDI);
        disks.snapshot(ofBoth(), null);
        assertEquals(List.of("acquire WRITE 2", "snapshot", "release 2"), steps);
    }

    @Test
    void claimsADiskForACloneUnlessItIsActive() {
        disks.clone(VDI, NEW, null);
        active.add(VDI);
        disks.clone(VDI, NEW, null);
        assertEquals(List.of("acquire WRITE 1", "clone", "release 1", "clone"), steps);
    }

    @Test
    void claimsBothTheDiskAndTheSnapshotThatItGoesBackTo() {
        disks.revert(VDI, OTHER, null);
        assertEquals(
                List.of("acquire WRITE 1", "acquire WRITE 2", "revert", "release 2", "release 1"),
                steps);
    }

    @Test
    void claimsTheSourceOfACopyForReading() {
        disks.copy(VDI, disks, null, null);
        active.add(VDI);
        disks.copy(VDI, disks, null, null);
        assertEquals(List.of("acquire READ 1", "copy", "release 1", "copy"), steps);
    }

    @Test
    void claimsDisksThatAreShownForReading() {
        disks.read(VDI, null, null);
        disks.compare(VDI, OTHER, null, null);
        active.add(VDI);
        disks.compare(VDI, OTHER, null, null);
        assertEquals(
                List.of(
                        "acquire READ 1",
                        "read",
                        "release 1",
                        "acquire READ 1",
                        "acquire READ 2",
                        "compare",
                        "release 2",
                        "release 1",
                        "acquire READ 2",
                        "compare",
                        "release 2"),
                steps);
    }

    @Test
    void claimsADiskThatGetsOtherContentForWriting() {
        disks.replace(VDI, null, null);
        disks.overwrite(VDI, null, null);
        assertEquals(
                List.of(
                        "acquire WRITE 1",
                        "replace",
                        "release 1",
                        "acquire WRITE 1",
                        "overwrite",
                        "release 1"),
                steps);
    }

    @Test
    void leavesTheClaimForUsingADiskToItsUser() {
        disks.activate(VDI, true, null);
        assertEquals(List.of("activate"), steps);
    }
}
