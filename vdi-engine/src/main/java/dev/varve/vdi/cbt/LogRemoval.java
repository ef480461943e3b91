// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.cbt;

import dev.varve.vdi.Operation;
import dev.varve.vdi.store.VolumeChange;

import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * A log that goes. What it says is merged into the logs of the intervals that come after it, so
 * that comparisons across it stay right.
 *
 * <p><b>Write order</b>, and what a crash after each step leaves:
 *
 * <table>
 * <caption>steps</caption>
 * <tr><th>step</th><th>after a crash</th></tr>
 * <tr><td>(1) The bits are added to each log after it.</td><td>comparisons say more than they
 * need to</td></tr>
 * <tr><td>(2) Each of these gets the parent of the one that goes.</td><td>comparisons with the
 * snapshot that goes are refused, those across it are right</td></tr>
 * <tr><td>(3) The log before it gets one of these as its child, or none.</td><td>the same</td></tr>
 * <tr><td>(4) A commit removes the log.</td><td>it is gone</td></tr>
 * </table>
 *
 * <p><b>Threads:</b> one.
 */
public final class LogRemoval extends LineChange {
    private final ChangeTracking tracking;
    private final LogVolumes logs;
    private final UUID vdi;
    private final Operation operation;

    LogRemoval(
            ChangeTracking tracking,
            LogVolumes logs,
            UUID vdi,
            Operation operation,
            Runnable over) {
        super(logs.store(), over);
        this.tracking = tracking;
        this.logs = logs;
        this.vdi = vdi;
        this.operation = operation;
    }

    void prepare() {
        List<UUID> after = logs.children(vdi, operation);
        ChangeLog going = tracking.read(vdi, operation);
        Optional<UUID> parent = going.header().parent();
        after.forEach(child -> merge(child, going.blocks(), parent));
        parent.ifPresent(
                before -> {
                    Optional<UUID> next = after.stream().findFirst();
                    boolean named =
                            logs.header(before, operation)
                                    .flatMap(ChangeLogHeader::child)
                                    .equals(Optional.of(vdi));
                    if (named) {
                        onFailure(() -> child(before, Optional.of(vdi)));
                        child(before, next);
                    }
                });
    }

    private void child(UUID of, Optional<UUID> child) {
        logs.header(of, header -> header.withChild(child), operation);
    }

    private void merge(UUID child, ChangedBlocks blocks, Optional<UUID> parent) {
        Optional<ChangeTracker> tracker = tracking.tracker(child);
        if (tracker.isPresent()) {
            mergeActive(tracker.get(), blocks, parent);
            return;
        }
        ChangeLog log = tracking.read(child, operation);
        log.blocks().addAll(blocks);
        onFailure(
                () -> logs.header(child, header -> header.withParent(Optional.of(vdi)), operation));
        logs.write(child, log.with(log.header().withParent(parent)), log.header(), operation);
    }

    private void mergeActive(ChangeTracker tracker, ChangedBlocks blocks, Optional<UUID> parent) {
        ActiveLog log = tracker.log().orElseThrow();
        onFailure(() -> parent(tracker, log, Optional.of(vdi)));
        tracker.commit(log, () -> log.noteAll(blocks), operation);
        parent(tracker, log, parent);
    }

    private void parent(ChangeTracker tracker, ActiveLog log, Optional<UUID> parent) {
        tracker.commit(log, () -> log.header(log.header().withParent(parent)), operation);
    }

    /** What a commit has to do; nothing for a disk that is not tracked. */
    public List<VolumeChange> changes() {
        return tracking.isTracked(vdi)
                ? List.of(new VolumeChange.Delete(LogVolumes.id(vdi)))
                : List.of();
    }

    @Override
    boolean hasHappened() {
        return !tracking.isTracked(vdi);
    }

    /** The log is gone. */
    public void finish() {
        happened();
    }
}
