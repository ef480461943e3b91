// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.sr.spi.Claims;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.cbt.ChangedBlocks;
import dev.varve.vdi.disk.DiskChanges;
import dev.varve.vdi.disk.DiskContent;
import dev.varve.vdi.disk.DiskDifference;
import dev.varve.vdi.disk.DiskNotes;
import dev.varve.vdi.disk.DiskReading;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.disk.Merge;
import dev.varve.vdi.disk.RunningMerge;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiSpec;
import dev.varve.vdi.engine.ActiveVdi;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;

/**
 * The disks of a repository that other hosts may use as well: what changes an image is done under a
 * claim for writing, and so never to a disk that somebody has attached elsewhere.
 *
 * <p><b>Invariants:</b> the claim of a disk that is active here is left alone, because it is the
 * claim of its user: taking it again would replace it and giving it up would lose it. What is known
 * of the trees is looked at again before anything is merged or removed, when another daemon may
 * have changed them since.
 *
 * <p><b>Threads:</b> as the disks; calls on one disk are made one after the other by the caller.
 */
final class ClaimedDisks implements DiskService {
    private final DiskService disks;
    private final Claims claims;
    private final Predicate<UUID> active;
    private final Consumer<Collection<UUID>> linesChanged;

    /** The last claim of another daemon before the trees were looked at last. */
    private volatile long seen;

    /**
     * @param active whether a disk is active on this host
     * @param linesChanged told the disks that have other snapshots to be compared with, or are gone
     */
    ClaimedDisks(
            DiskService disks,
            Claims claims,
            Predicate<UUID> active,
            Consumer<Collection<UUID>> linesChanged) {
        this.disks = disks;
        this.claims = claims;
        this.active = active;
        this.linesChanged = linesChanged;
    }

    @Override
    public List<VdiInfo> scan(Operation operation) {
        long before = claims.othersEpoch();
        List<VdiInfo> found = disks.scan(operation);
        seen = before;
        return found;
    }

    /** Makes sure that the trees are known as they are; tells whether they had to be looked at. */
    private boolean refresh(Operation operation) {
        boolean old = claims.othersEpoch() != seen || claims.othersHave();
        if (old) {
            scan(operation);
        }
        return old;
    }

    @Override
    public Optional<VdiInfo> find(UUID vdi) {
        return disks.find(vdi);
    }

    @Override
    public VdiInfo create(VdiSpec spec, Operation operation) {
        return disks.create(spec, operation);
    }

    @Override
    public VdiInfo resize(UUID vdi, long virtualSizeBytes, Operation operation) {
        return claimed(vdi, () -> disks.resize(vdi, virtualSizeBytes, operation));
    }

    @Override
    public VdiInfo create(VdiSpec spec, DiskContent content, Operation operation) {
        return disks.create(spec, content, operation);
    }

    @Override
    public DiskChanges snapshot(List<SnapshotSpec> snapshots, Operation operation) {
        DiskChanges changes = claimed(snapshots, 0, () -> disks.snapshot(snapshots, operation));
        linesChanged.accept(snapshots.stream().map(SnapshotSpec::source).toList());
        return changes;
    }

    /** Holds the claims of all disks of a list, from the given one on. */
    private <T> T claimed(List<SnapshotSpec> snapshots, int from, Supplier<T> work) {
        return from == snapshots.size()
                ? work.get()
                : claimed(snapshots.get(from).source(), () -> claimed(snapshots, from + 1, work));
    }

    @Override
    public DiskChanges clone(UUID source, UUID clone, Operation operation) {
        return claimed(source, () -> disks.clone(source, clone, operation));
    }

    @Override
    public DiskChanges revert(UUID vdi, UUID snapshot, Operation operation) {
        return claimed(
                vdi,
                () ->
                        claimed(
                                snapshot,
                                () -> {
                                    refresh(operation);
                                    return disks.revert(vdi, snapshot, operation);
                                }));
    }

    @Override
    public VdiInfo copy(UUID source, DiskService target, VdiSpec spec, Operation operation) {
        return active.test(source)
                ? disks.copy(source, target, spec, operation)
                : holding(
                        claims.acquire(source, Claims.Mode.READ),
                        () -> disks.copy(source, target, spec, operation));
    }

    @Override
    public void read(UUID vdi, DiskReading reading, Operation operation) {
        readable(vdi, () -> disks.read(vdi, reading, operation));
    }

    @Override
    public void compare(UUID base, UUID vdi, DiskDifference.Reading reading, Operation operation) {
        readable(base, () -> readable(vdi, () -> disks.compare(base, vdi, reading, operation)));
    }

    @Override
    public DiskChanges replace(UUID vdi, DiskContent content, Operation operation) {
        return claimed(
                vdi,
                () -> {
                    refresh(operation);
                    return disks.replace(vdi, content, operation);
                });
    }

    @Override
    public DiskChanges overwrite(UUID vdi, DiskContent content, Operation operation) {
        return claimed(vdi, () -> disks.overwrite(vdi, content, operation));
    }

    private void readable(UUID vdi, Runnable work) {
        if (active.test(vdi)) {
            work.run();
            return;
        }
        Claims.Claim claim = claims.acquire(vdi, Claims.Mode.READ);
        holding(
                claim,
                () -> {
                    work.run();
                    return vdi;
                });
    }

    @Override
    public DiskChanges destroy(UUID vdi, Operation operation) {
        DiskChanges changes =
                withFollowers(
                        vdi,
                        operation,
                        () -> {
                            refresh(operation);
                            return disks.destroy(vdi, operation);
                        });
        linesChanged.accept(List.of(vdi));
        return changes;
    }

    /** What the log of a disk says goes to the logs of others, which nobody may be writing. */
    private <T> T withFollowers(UUID vdi, Operation operation, Supplier<T> work) {
        return claimed(vdi, () -> claimedAll(disks.followers(vdi, operation), 0, work));
    }

    private <T> T claimedAll(List<UUID> vdis, int from, Supplier<T> work) {
        return from == vdis.size()
                ? work.get()
                : claimed(vdis.get(from), () -> claimedAll(vdis, from + 1, work));
    }

    @Override
    public VdiInfo trackChanges(UUID vdi, boolean tracked, Operation operation) {
        VdiInfo info =
                withFollowers(vdi, operation, () -> disks.trackChanges(vdi, tracked, operation));
        linesChanged.accept(List.of(vdi));
        return info;
    }

    @Override
    public DiskChanges destroyData(UUID snapshot, Operation operation) {
        return claimed(
                snapshot,
                () -> {
                    refresh(operation);
                    return disks.destroyData(snapshot, operation);
                });
    }

    /** What another host has not made durable yet is only known there. */
    @Override
    public ChangedBlocks changedBlocks(UUID from, UUID to, Operation operation) {
        return active.test(to)
                ? disks.changedBlocks(from, to, operation)
                : holding(
                        claims.acquire(to, Claims.Mode.READ),
                        () -> disks.changedBlocks(from, to, operation));
    }

    @Override
    public List<UUID> comparable(UUID vdi, Operation operation) {
        return disks.comparable(vdi, operation);
    }

    @Override
    public List<UUID> followers(UUID vdi, Operation operation) {
        return disks.followers(vdi, operation);
    }

    @Override
    public List<Merge> merges(Operation operation) {
        refresh(operation);
        return disks.merges(operation);
    }

    /** The disks that rest on what is merged are not used by another host meanwhile. */
    @Override
    public RunningMerge merge(Merge merge, Operation operation) {
        List<Claims.Claim> held = new ArrayList<>();
        try {
            for (UUID vdi : merge.disks()) {
                if (!active.test(vdi)) {
                    held.add(claims.acquire(vdi, Claims.Mode.WRITE));
                }
            }
            if (refresh(operation)) {
                confirm(merge, operation);
            }
            return new ClaimedMerge(disks.merge(merge, operation), () -> releaseAll(held));
        } catch (RuntimeException | Error e) {
            held.forEach(claim -> releaseAfter(claim, e));
            throw e;
        }
    }

    /** With the claims held nothing changes above the two images any more. */
    private void confirm(Merge merge, Operation operation) {
        boolean still =
                disks.merges(operation).stream()
                        .anyMatch(
                                now ->
                                        now.child().equals(merge.child())
                                                && now.parent().equals(merge.parent())
                                                && merge.disks().containsAll(now.disks()));
        if (!still) {
            throw ErrorCode.SR_VDI_IN_USE.because(
                    "the images %s and %s cannot be merged any more: another host has changed them"
                            .formatted(merge.child(), merge.parent()));
        }
    }

    private void releaseAll(List<Claims.Claim> held) {
        held.forEach(claims::release);
    }

    /**
     * Nothing while another daemon has a disk of the repository: where it is in the middle of a
     * snapshot, an inner node may look as if nothing rested on it.
     */
    @Override
    public List<UUID> removeGarbage(Operation operation) {
        List<UUID> removed = new ArrayList<>();
        claims.alone(
                others -> {
                    if (others != seen) {
                        disks.scan(operation);
                        seen = others;
                    }
                    removed.addAll(disks.removeGarbage(operation));
                });
        return removed;
    }

    @Override
    public void recover(Operation operation) {
        disks.recover(operation);
    }

    /** The claim for using a disk is the data path's. */
    @Override
    public ActiveVdi activate(UUID vdi, boolean writable, Operation operation) {
        return disks.activate(vdi, writable, operation);
    }

    @Override
    public VdiInfo rename(UUID vdi, String label, String description) {
        return disks.rename(vdi, label, description);
    }

    @Override
    public VdiInfo remember(UUID vdi, DiskNotes notes) {
        return disks.remember(vdi, notes);
    }

    private <T> T claimed(UUID vdi, Supplier<T> work) {
        if (active.test(vdi)) {
            return work.get();
        }
        return holding(claims.acquire(vdi, Claims.Mode.WRITE), work);
    }

    private <T> T holding(Claims.Claim claim, Supplier<T> work) {
        T result;
        try {
            result = work.get();
        } catch (RuntimeException | Error e) {
            releaseAfter(claim, e);
            throw e;
        }
        claims.release(claim);
        return result;
    }

    private void releaseAfter(Claims.Claim claim, Throwable failure) {
        try {
            claims.release(claim);
        } catch (RuntimeException e) {
            failure.addSuppressed(e);
        }
    }
}
