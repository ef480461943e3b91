// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.cbt;

import dev.varve.vdi.Operation;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;

import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * A disk that begins anew: from one of its snapshots, and gets an empty log that comes after that,
 * or with content from elsewhere, and all of it has changed.
 *
 * <p><b>Write order:</b> the log of the snapshot before the disk names no child any more, unless it
 * is the one that the disk goes back to; the new log is made as a volume of kind INCOMING; the
 * commit that gives the disk its new image puts the log in the place of the old one. A crash before
 * the commit leaves the line as it was, but for other programs, which refuse to compare along it.
 *
 * <p><b>Threads:</b> one.
 */
public final class LogRestart extends LineChange {
    private final LogVolumes logs;
    private final UUID vdi;
    private VolumeId incoming;

    LogRestart(LogVolumes logs, UUID vdi, Runnable over) {
        super(logs.store(), over);
        this.logs = logs;
        this.vdi = vdi;
    }

    /**
     * @param everything whether all blocks count as changed since the parent
     */
    void prepare(
            Optional<UUID> parent,
            long sizeBytes,
            boolean everything,
            UUID name,
            Operation operation) {
        Optional<UUID> before =
                logs.header(vdi, operation)
                        .flatMap(ChangeLogHeader::parent)
                        .filter(each -> !parent.equals(Optional.of(each)));
        before.ifPresent(
                each -> {
                    onFailure(() -> child(each, Optional.of(vdi), operation));
                    child(each, Optional.empty(), operation);
                });
        ChangeLog log =
                ChangeLog.empty(ChangeLogHeader.complete(parent, Optional.empty(), sizeBytes));
        if (everything) {
            log.blocks().addFrom(0);
        }
        incoming = logs.create(name, log, operation);
        onFailure(() -> logs.store().commit(List.of(new VolumeChange.Delete(incoming))));
    }

    private void child(UUID of, Optional<UUID> child, Operation operation) {
        logs.header(of, header -> header.withChild(child), operation);
    }

    /** What the commit that gives the disk its new image has to do as well. */
    public List<VolumeChange> changes() {
        return incoming == null
                ? List.of()
                : List.of(new VolumeChange.Rename(incoming, LogVolumes.id(vdi)));
    }

    @Override
    boolean hasHappened() {
        return incoming != null && logs.store().find(incoming).isEmpty();
    }

    /** The disk has its new image. */
    public void finish() {
        happened();
    }
}
