// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.sr.spi.Claims;
import dev.varve.vdi.Operation;
import dev.varve.vdi.disk.DiskChanges;
import dev.varve.vdi.disk.DiskContent;
import dev.varve.vdi.disk.DiskDifference;
import dev.varve.vdi.disk.DiskReading;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiSpec;
import dev.varve.vdi.engine.ActiveVdi;

import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Predicate;
import java.util.function.Supplier;

/**
 * The disks of a repository that other hosts may use as well: what changes an image is done under a
 * claim for writing, and so never to a disk that somebody has attached elsewhere.
 *
 * <p><b>Invariants:</b> the claim of a disk that is active here is left alone, because it is the
 * claim of its user: taking it again would replace it and giving it up would lose it.
 *
 * <p><b>Threads:</b> as the disks; calls on one disk are made one after the other by the caller.
 */
final class ClaimedDisks implements DiskService {
    private final DiskService disks;
    private final Claims claims;
    private final Predicate<UUID> active;

    /**
     * @param active whether a disk is active on this host
     */
    ClaimedDisks(DiskService disks, Claims claims, Predicate<UUID> active) {
        this.disks = disks;
        this.claims = claims;
        this.active = active;
    }

    @Override
    public List<VdiInfo> scan(Operation operation) {
        return disks.scan(operation);
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
        return claimed(snapshots, 0, () -> disks.snapshot(snapshots, operation));
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
        return claimed(vdi, () -> claimed(snapshot, () -> disks.revert(vdi, snapshot, operation)));
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
        return claimed(vdi, () -> disks.replace(vdi, content, operation));
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
        return claimed(vdi, () -> disks.destroy(vdi, operation));
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
