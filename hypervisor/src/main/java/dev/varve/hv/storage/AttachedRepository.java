// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import java.util.HashSet;
import java.util.Set;

/**
 * A repository that is attached, and the disks that are being worked on, which a scan leaves alone:
 * what it saw of them may be old by the time it writes that down.
 *
 * <p><b>Threads:</b> any.
 */
final class AttachedRepository {
    private final SrSession session;
    private final Set<String> busy = new HashSet<>();
    private Set<String> sinceScan = new HashSet<>();
    private boolean scanned;

    AttachedRepository(SrSession session) {
        this.session = session;
    }

    SrSession session() {
        return session;
    }

    synchronized void begin(String vdi) {
        busy.add(vdi);
        sinceScan.add(vdi);
    }

    synchronized void end(String vdi) {
        busy.remove(vdi);
    }

    /** Starts a scan. */
    synchronized void scanning() {
        sinceScan = new HashSet<>(busy);
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
}
