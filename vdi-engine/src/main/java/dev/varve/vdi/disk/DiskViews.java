// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.store.VolumeId;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;

/**
 * Disks open for reading beside whatever else is done with them.
 *
 * <p><b>Threads:</b> any but a lane's; calls block.
 */
final class DiskViews {
    private final VdiEngine engine;
    private final TreeLock lock;
    private final Function<UUID, VdiEngine.Leaf> leaves;

    /**
     * @param lock keeps the names of images from changing while a chain is opened
     * @param leaves opens the volume of a disk's leaf for reading
     */
    DiskViews(VdiEngine engine, TreeLock lock, Function<UUID, VdiEngine.Leaf> leaves) {
        this.engine = engine;
        this.lock = lock;
        this.leaves = leaves;
    }

    /** Shows a disk to somebody. */
    void read(UUID vdi, DiskReading reading, Operation operation) {
        refuseWritten(vdi);
        ActiveVdi view = lock.beside(() -> engine.open(vdi, leaves.apply(vdi), false, operation));
        closing(view, () -> reading.read(view, operation), operation);
    }

    /** Shows two disks side by side to somebody. */
    void compare(UUID base, UUID vdi, DiskDifference.Reading reading, Operation operation) {
        read(
                base,
                (below, _) ->
                        read(vdi, (disk, _) -> compare(below, disk, reading, operation), operation),
                operation);
    }

    private void compare(
            ActiveVdi base, ActiveVdi disk, DiskDifference.Reading reading, Operation operation) {
        Set<VolumeId> common = new HashSet<>(base.images());
        common.retainAll(disk.images());
        if (common.isEmpty()) {
            reading.read(new DiskDifference(base, disk, false, List.of(base, disk)), operation);
            return;
        }
        List<ActiveVdi> parts = new ArrayList<>();
        openOwn(List.of(base, disk), common, parts, base, disk, reading, operation);
    }

    /** Opens the rest of the parts, then reads, then closes them in turn. */
    private void openOwn(
            List<ActiveVdi> views,
            Set<VolumeId> common,
            List<ActiveVdi> parts,
            ActiveVdi base,
            ActiveVdi disk,
            DiskDifference.Reading reading,
            Operation operation) {
        if (parts.size() == views.size()) {
            reading.read(difference(base, disk, common, parts), operation);
            return;
        }
        UUID uuid = views.get(parts.size()).uuid();
        ActiveVdi part =
                lock.beside(() -> engine.openAbove(uuid, leaves.apply(uuid), common, operation));
        parts.add(part);
        closing(
                part,
                () -> openOwn(views, common, parts, base, disk, reading, operation),
                operation);
    }

    /**
     * When images were merged between the two openings the parts may end elsewhere than the disks
     * meet; then everything counts as own.
     */
    private static DiskDifference difference(
            ActiveVdi base, ActiveVdi disk, Set<VolumeId> common, List<ActiveVdi> parts) {
        boolean meet =
                isRestOf(parts.getFirst(), base, common) && isRestOf(parts.getLast(), disk, common);
        return meet
                ? new DiskDifference(base, disk, true, parts)
                : new DiskDifference(base, disk, false, List.of(base, disk));
    }

    private static boolean isRestOf(ActiveVdi part, ActiveVdi whole, Set<VolumeId> common) {
        List<VolumeId> images = whole.images();
        return part.images().equals(images.subList(common.size(), images.size()))
                && common.equals(Set.copyOf(images.subList(0, common.size())));
    }

    /** What an active disk reads as now is not what it reads as a moment later. */
    private void refuseWritten(UUID vdi) {
        if (engine.find(vdi).map(ActiveVdi::isWritable).orElse(false)) {
            throw ErrorCode.SR_VDI_IN_USE.because(
                    "disk " + vdi + " is being written; take a snapshot and use that");
        }
    }

    private static void closing(ActiveVdi view, Runnable work, Operation operation) {
        try {
            work.run();
        } catch (RuntimeException | Error e) {
            try {
                view.close(Operation.unbounded("close disk " + view.uuid(), view.lane().clock()));
            } catch (StorageException failure) {
                e.addSuppressed(failure);
            }
            throw e;
        }
        view.close(operation);
    }
}
