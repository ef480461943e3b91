// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.cbt;

import dev.varve.vdi.Operation;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.time.RandomSource;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * Intervals that end with snapshots: each snapshot gets the log of its disk, the disk an empty one.
 *
 * <p><b>Write order</b>, and what a crash after each step leaves:
 *
 * <table>
 * <caption>steps</caption>
 * <tr><th>step</th><th>after a crash</th></tr>
 * <tr><td>(1) The log before names the snapshot as its child, the disk's log the disk.</td><td>other
 * programs find no log of that name and refuse to compare; nothing has changed for us, who go by
 * parents</td></tr>
 * <tr><td>(2) The disk's new log is made as a volume of kind INCOMING, with the snapshot as its
 * parent.</td><td>it is removed</td></tr>
 * <tr><td>(3) The commit that gives the images their names renames the disk's log to the snapshot's
 * and the new one to the disk's.</td><td>nothing, or the whole. What the disk wrote until the crash
 * is in the snapshot, and noted in its log</td></tr>
 * <tr><td>(4) At the instant at which the leaf changes, the tracker changes logs.</td><td>what was
 * written since is noted in the new log</td></tr>
 * <tr><td>(5) The snapshot's log is marked as complete.</td><td>it is marked as ahead of the disk,
 * which is as good</td></tr>
 * </table>
 *
 * <p><b>Threads:</b> one.
 */
public final class LogRotation extends LineChange {
    /**
     * @param tracker of a disk that is being written
     * @param fresh the new log of such a disk, open
     */
    private record Turn(
            UUID disk,
            UUID snapshot,
            VolumeId incoming,
            Optional<ChangeTracker> tracker,
            Optional<ActiveLog> fresh) {}

    private final ChangeTracking tracking;
    private final LogVolumes logs;
    private final RandomSource random;
    private final List<Turn> turns = new ArrayList<>();

    LogRotation(ChangeTracking tracking, LogVolumes logs, RandomSource random, Runnable over) {
        super(logs.store(), over);
        this.tracking = tracking;
        this.logs = logs;
        this.random = random;
    }

    void prepare(UUID disk, UUID snapshot, Operation operation) {
        Optional<ChangeTracker> tracker = tracking.tracker(disk);
        ChangeLog ending = tracker.isPresent() ? null : tracking.read(disk, operation);
        ChangeLogHeader header =
                ending == null
                        ? tracker.orElseThrow().log().orElseThrow().header()
                        : ending.header();
        header.parent().ifPresent(parent -> child(parent, disk, snapshot, operation));
        if (ending == null) {
            point(tracker.orElseThrow(), header, disk, operation);
        } else {
            logs.write(
                    disk,
                    ending.with(header.withChild(Optional.of(disk)).completed()),
                    header,
                    operation);
            onFailure(() -> logs.header(disk, _ -> header, operation));
        }
        turns.add(fresh(disk, snapshot, header.sizeBytes(), tracker, operation));
    }

    private void child(UUID of, UUID before, UUID after, Operation operation) {
        logs.header(of, header -> header.withChild(Optional.of(after)), operation);
        onFailure(
                () -> logs.header(of, header -> header.withChild(Optional.of(before)), operation));
    }

    private void point(
            ChangeTracker tracker, ChangeLogHeader before, UUID disk, Operation operation) {
        ActiveLog log = tracker.log().orElseThrow();
        tracker.commit(log, () -> log.header(log.header().withChild(Optional.of(disk))), operation);
        onFailure(() -> tracker.commit(log, () -> log.header(before), operation));
    }

    private Turn fresh(
            UUID disk,
            UUID snapshot,
            long sizeBytes,
            Optional<ChangeTracker> tracker,
            Operation operation) {
        ChangeLogHeader complete =
                ChangeLogHeader.complete(Optional.of(snapshot), Optional.empty(), sizeBytes);
        ChangeLog log = ChangeLog.empty(started(complete, disk, tracker.isPresent()));
        VolumeId incoming = logs.create(random.uuid(), log, operation);
        onFailure(() -> logs.store().commit(List.of(new VolumeChange.Delete(incoming))));
        Optional<ActiveLog> open = tracker.map(each -> open(each, incoming, log));
        return new Turn(disk, snapshot, incoming, tracker, open);
    }

    /** Of a disk that is written and cannot be tracked, a log says that it is not to be trusted. */
    private ChangeLogHeader started(ChangeLogHeader complete, UUID disk, boolean tracked) {
        if (tracked) {
            return complete.leading();
        }
        return tracking.isWritten(disk) ? complete.givenUp() : complete;
    }

    private ActiveLog open(ChangeTracker tracker, VolumeId incoming, ChangeLog log) {
        OpenVolume volume =
                new OpenVolume(
                        tracker.vdi().lane(), logs.store().open(incoming, true), true, List.of());
        onFailure(volume::close);
        return new ActiveLog(volume, log);
    }

    /** What the commit that names the images has to do as well. */
    public List<VolumeChange> changes() {
        List<VolumeChange> changes = new ArrayList<>();
        for (Turn turn : turns) {
            VolumeId log = LogVolumes.id(turn.disk());
            changes.add(new VolumeChange.Rename(log, LogVolumes.id(turn.snapshot())));
            changes.add(new VolumeChange.Rename(turn.incoming(), log));
        }
        return changes;
    }

    /** Whether a disk that is being written is among them. */
    public boolean concerns(UUID disk) {
        return turns.stream().anyMatch(turn -> turn.disk().equals(disk));
    }

    /** What is to be done on a disk's lane when its leaf changes. */
    public Runnable atOnce(UUID disk) {
        return () ->
                turns.stream()
                        .filter(turn -> turn.disk().equals(disk))
                        .forEach(
                                turn ->
                                        turn.tracker()
                                                .ifPresent(
                                                        tracker ->
                                                                tracker.change(
                                                                        turn.fresh()
                                                                                .orElseThrow())));
    }

    @Override
    boolean hasHappened() {
        return !turns.isEmpty()
                && turns.stream().allMatch(turn -> logs.store().find(turn.incoming()).isEmpty());
    }

    /** The snapshots are there, and what was written before is durable. */
    public void finish(Operation operation) {
        happened();
        for (Turn turn : turns) {
            turn.tracker().ifPresent(tracker -> tracker.finishFormer(operation));
        }
    }
}
