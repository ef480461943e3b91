// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.vdi.disk.DiskChanges;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.filter.RoomWatch;

import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.Supplier;

/**
 * A repository that is attached, and the disks and inner nodes that are being worked on or were
 * since a scan began, which that scan leaves alone: what it saw of them may be old by the time it
 * writes that down.
 *
 * <p><b>Threads:</b> any.
 */
final class AttachedRepository {
    private final SrSession session;
    private final RoomWatch room;

    /** How many work on each. */
    private final Map<String, Integer> busy = new HashMap<>();

    /** What is gone, as long as somebody works who may have seen it before. */
    private final Set<UUID> removed = new HashSet<>();

    private Set<String> sinceScan = new HashSet<>();
    private boolean scanned;

    AttachedRepository(SrSession session, RoomWatch room) {
        this.session = session;
        this.room = room;
    }

    /** What its disks have in common when it is full. */
    RoomWatch room() {
        return room;
    }

    SrSession session() {
        return session;
    }

    synchronized void begin(Collection<String> vdis) {
        vdis.forEach(vdi -> busy.merge(vdi, 1, Integer::sum));
        sinceScan.addAll(vdis);
    }

    synchronized void end(Collection<String> vdis) {
        vdis.forEach(vdi -> busy.computeIfPresent(vdi, (_, count) -> count > 1 ? count - 1 : null));
        if (busy.isEmpty()) {
            removed.clear();
        }
    }

    /** Works on disks, while scans leave them alone. */
    <T> T during(Collection<String> vdis, Supplier<T> work) {
        begin(vdis);
        try {
            return work.get();
        } finally {
            end(vdis);
        }
    }

    /** Notes what an operation left behind. Called while it still counts as working. */
    synchronized void changed(DiskChanges changes) {
        for (VdiInfo info : changes.changed()) {
            sinceScan.add(info.uuid().toString());
        }
        for (UUID vdi : changes.removed()) {
            sinceScan.add(vdi.toString());
            removed.add(vdi);
        }
    }

    /**
     * Whether an operation has removed it. Two operations on one tree may end in one order and
     * write down what they saw in the other; UUIDs never come back, so what is gone stays gone.
     */
    synchronized boolean isRemoved(UUID vdi) {
        return removed.contains(vdi);
    }

    /** Starts a scan. */
    synchronized void scanning() {
        sinceScan = new HashSet<>(busy.keySet());
    }

    /** Notes that a scan has come to its end. */
    synchronized void scanEnded() {
        scanned = true;
    }

    /** Whether its disks have been looked at since it was attached. */
    synchronized boolean isScanned() {
        return scanned;
    }

    /** Whether what the scan saw of a disk still holds. */
    synchronized boolean untouched(String vdi) {
        return !sinceScan.contains(vdi);
    }

    /**
     * Whether nobody works, and nobody did since the scan began: an inner node that the scan is the
     * first to see is then not the work of an operation that may yet fail and take it away.
     */
    synchronized boolean isQuiet() {
        return sinceScan.isEmpty();
    }
}
