// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.cbt;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeStore;
import dev.varve.vdi.time.RandomSource;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;

/**
 * Changed block tracking of the disks of one repository.
 *
 * <p>Each disk or snapshot that is tracked has a log of the interval that ends with it: with the
 * instant of a snapshot, or with now. The log names the snapshot that the interval begins with, its
 * <i>parent</i>. Logs thus make trees, as reverts do; disks and snapshots on one way from the root
 * are on one <i>line</i>, and what differs between two on one line is what the logs after the
 * earlier one say, up to the later one. The parent decides. The child that a log names is for other
 * programs, which go the other way: it is right or missing, and never such that changes would be
 * left out.
 *
 * <p>Where a log cannot be trusted everything counts as changed: it is damaged, or a program that
 * does not keep it ahead of the disk was interrupted.
 *
 * <p><b>Durability:</b> headers are written before the commit of the store that makes a change
 * happen, in an order in which each of them only makes comparisons say more or refuse; when the
 * commit fails they are put back. See {@link LogRotation} and {@link LogRemoval}.
 *
 * <p><b>Threads:</b> any, but not a lane's. Changes of lines exclude each other.
 */
public final class ChangeTracking {
    /** What is said of the size of a disk whose log is damaged: the rest counts as new. */
    private static final long DAMAGED_BYTES = ChangedBlocks.BLOCK_BYTES;

    private final LogVolumes logs;
    private final RandomSource random;
    private final Map<UUID, ChangeTracker> trackers = new ConcurrentHashMap<>();
    private final ReentrantLock lines = new ReentrantLock();

    /** For the disks of a store. */
    public ChangeTracking(VolumeStore store, VdiEngine engine, RandomSource random) {
        this.logs = new LogVolumes(store, engine);
        this.random = random;
    }

    /** The name of a disk's log. */
    public static VolumeId log(UUID vdi) {
        return LogVolumes.id(vdi);
    }

    /** Whether a disk or a snapshot has a log. */
    public boolean isTracked(UUID vdi) {
        return logs.exists(vdi);
    }

    // ---- disks in use

    /**
     * Serves a disk that is written, tracked if it has a log.
     *
     * @param open serves the disk with filters in front of it, for nobody yet
     */
    public ActiveVdi activate(
            UUID vdi, Function<List<BlockFilter>, ActiveVdi> open, Operation operation) {
        ChangeTracker tracker = new ChangeTracker(each -> trackers.remove(vdi, each));
        ActiveVdi active = open.apply(List.of(tracker));
        tracker.follow(active);
        trackers.put(vdi, tracker);
        try {
            beginIfTracked(tracker, operation);
        } catch (RuntimeException | Error e) {
            closeAfter(active, e);
            throw e;
        }
        return active;
    }

    private void beginIfTracked(ChangeTracker tracker, Operation operation) {
        if (isTracked(tracker.vdi().uuid())) {
            lines.lock(); // nobody changes the log while it is read
            try {
                begin(tracker, operation);
            } finally {
                lines.unlock();
            }
        }
    }

    private static void closeAfter(ActiveVdi vdi, Throwable failure) {
        try {
            vdi.close(Operation.unbounded("close disk " + vdi.uuid(), vdi.lane().clock()));
        } catch (StorageException e) {
            failure.addSuppressed(e);
        }
    }

    /** From now on the log is ahead of the disk. */
    private void begin(ChangeTracker tracker, Operation operation) {
        UUID vdi = tracker.vdi().uuid();
        OpenVolume volume = openOn(tracker.vdi(), LogVolumes.id(vdi));
        try {
            BlockAccess access = volume.access(operation);
            ChangeLog found = found(vdi, () -> logs.read(vdi, access), operation);
            long size = tracker.vdi().device().geometry().sizeBytes();
            ChangeLog whole = found.header().sizeBytes() == size ? found : sized(found, size);
            ChangeLog leading = whole.with(whole.header().leading());
            if (whole.header().isTrusted() && whole == found) {
                leading.writeHeader(access);
            } else {
                leading.write(access, whole.header().givenUp());
            }
            follow(tracker, volume, leading, operation);
        } catch (RuntimeException | Error e) {
            volume.close();
            throw e;
        }
    }

    private OpenVolume openOn(ActiveVdi vdi, VolumeId id) {
        return new OpenVolume(vdi.lane(), logs.store().open(id, true), true, List.of());
    }

    /** How a log is read. */
    private interface Reader {
        ChangeLog read();
    }

    /** A log, or what stands for a damaged one: everything has changed since the same snapshot. */
    private ChangeLog found(UUID vdi, Reader reader, Operation operation) {
        try {
            return reader.read();
        } catch (StorageException e) {
            if (e.code() != ErrorCode.VDI_LOAD) {
                throw e;
            }
            Optional<UUID> parent = logs.parents(vdi, operation).stream().findFirst();
            ChangeLogHeader header =
                    new ChangeLogHeader(parent, Optional.empty(), false, false, DAMAGED_BYTES);
            ChangeLog everything = ChangeLog.empty(header);
            everything.blocks().addFrom(0);
            return everything;
        }
    }

    /** The log for a disk that has another size: what is new has changed. */
    private static ChangeLog sized(ChangeLog log, long sizeBytes) {
        ChangedBlocks blocks = log.blocks().resized(sizeBytes);
        blocks.addFrom(log.header().sizeBytes());
        return new ChangeLog(log.header().withSize(sizeBytes), blocks);
    }

    /** Whether a disk is being written here, tracked or not. */
    boolean isWritten(UUID vdi) {
        return trackers.containsKey(vdi);
    }

    Optional<ChangeTracker> tracker(UUID vdi) {
        return Optional.ofNullable(trackers.get(vdi)).filter(each -> each.log().isPresent());
    }

    // ---- on and off

    /**
     * Begins to track a disk, active or not. One that is tracked stays as it is.
     *
     * @throws StorageException VDI_TOO_LARGE when no log can have so many bits
     */
    public void enable(UUID vdi, long sizeBytes, Operation operation) {
        if (sizeBytes > ChangeLogHeader.LARGEST_DISK_BYTES) {
            throw ErrorCode.VDI_TOO_LARGE.with(
                    vdi.toString(), Long.toString(ChangeLogHeader.LARGEST_DISK_BYTES));
        }
        lines.lock();
        try {
            if (isTracked(vdi)) {
                return;
            }
            ChangeLogHeader complete =
                    ChangeLogHeader.complete(Optional.empty(), Optional.empty(), sizeBytes);
            ChangeTracker tracker = trackers.get(vdi);
            // One that is not followed up must not say that nothing has changed.
            ChangeLogHeader first = tracker == null ? complete : complete.givenUp();
            VolumeId incoming = logs.create(random.uuid(), ChangeLog.empty(first), operation);
            try {
                rename(incoming, LogVolumes.id(vdi));
                if (tracker != null) {
                    begin(tracker, ChangeLog.empty(complete), operation);
                }
            } catch (RuntimeException | Error e) {
                logs.remove(incoming, e);
                logs.remove(LogVolumes.id(vdi), e);
                throw e;
            }
        } finally {
            lines.unlock();
        }
    }

    private void rename(VolumeId from, VolumeId to) {
        logs.store().commit(List.of(new VolumeChange.Rename(from, to)));
    }

    /** From now on a log that says nothing yet is ahead of the disk. */
    private void begin(ChangeTracker tracker, ChangeLog empty, Operation operation) {
        OpenVolume volume = openOn(tracker.vdi(), LogVolumes.id(tracker.vdi().uuid()));
        try {
            ChangeLog leading = empty.with(empty.header().leading());
            leading.writeHeader(volume.access(operation));
            follow(tracker, volume, leading, operation);
        } catch (RuntimeException | Error e) {
            volume.close();
            throw e;
        }
    }

    private static void follow(
            ChangeTracker tracker, OpenVolume volume, ChangeLog leading, Operation operation) {
        ActiveLog log = new ActiveLog(volume, leading);
        tracker.run(() -> tracker.change(log), operation);
    }

    /** Tracks a disk or a snapshot no longer. One that is not tracked stays as it is. */
    public void disable(UUID vdi, Operation operation) {
        lines.lock();
        try (LogRemoval removal = remove(vdi, operation)) {
            tracker(vdi).ifPresent(tracker -> tracker.drop(operation));
            if (isTracked(vdi)) {
                logs.store().commit(removal.changes());
            }
            removal.finish();
        } finally {
            lines.unlock();
        }
    }

    // ---- lines

    /**
     * Prepares that intervals end with snapshots, of those disks that are tracked.
     *
     * @param snapshots the snapshot of each disk
     */
    public LogRotation rotate(Map<UUID, UUID> snapshots, Operation operation) {
        boolean any = snapshots.keySet().stream().anyMatch(this::isTracked);
        LogRotation rotation = new LogRotation(this, logs, random, hold(any));
        try {
            for (Map.Entry<UUID, UUID> each : snapshots.entrySet()) {
                if (any && isTracked(each.getKey())) {
                    rotation.prepare(each.getKey(), each.getValue(), operation);
                }
            }
            return rotation;
        } catch (RuntimeException | Error e) {
            rotation.closeAfter(e);
            throw e;
        }
    }

    /** Keeps others from changing lines if need be; how to let them again. */
    private Runnable hold(boolean needed) {
        if (!needed) {
            return () -> {};
        }
        lines.lock();
        return lines::unlock;
    }

    /**
     * Prepares that the log of a disk or a snapshot goes: what it says, those after it will say.
     */
    public LogRemoval remove(UUID vdi, Operation operation) {
        boolean tracked = isTracked(vdi);
        LogRemoval removal = new LogRemoval(this, logs, vdi, operation, hold(tracked));
        try {
            if (tracked) {
                removal.prepare();
            }
            return removal;
        } catch (RuntimeException | Error e) {
            removal.closeAfter(e);
            throw e;
        }
    }

    /**
     * Prepares that a disk that is not in use gets the content of a snapshot: its line goes on from
     * there.
     */
    public LogRestart restart(UUID vdi, UUID snapshot, long sizeBytes, Operation operation) {
        boolean tracked = isTracked(vdi);
        LogRestart restart = new LogRestart(logs, vdi, hold(tracked));
        try {
            if (tracked) {
                Optional<UUID> parent = Optional.of(snapshot).filter(this::isTracked);
                restart.prepare(parent, sizeBytes, false, random.uuid(), operation);
            }
            return restart;
        } catch (RuntimeException | Error e) {
            restart.closeAfter(e);
            throw e;
        }
    }

    /**
     * Prepares that a disk that is not in use gets content from elsewhere: all of it has changed
     * since the snapshot that its log begins with.
     */
    public LogRestart replace(UUID vdi, long sizeBytes, Operation operation) {
        lines.lock();
        LogRestart restart = new LogRestart(logs, vdi, lines::unlock);
        try {
            if (isTracked(vdi)) {
                Optional<UUID> parent =
                        logs.header(vdi, operation).flatMap(ChangeLogHeader::parent);
                restart.prepare(parent, sizeBytes, true, random.uuid(), operation);
            }
            return restart;
        } catch (RuntimeException | Error e) {
            restart.closeAfter(e);
            throw e;
        }
    }

    /** A disk has become larger. Until its log knows that, what is behind the log's end is new. */
    public void resized(UUID vdi, long sizeBytes, Operation operation) {
        lines.lock();
        try {
            Optional<ChangeTracker> tracker = tracker(vdi);
            if (tracker.isPresent()) {
                tracker.get().grow(sizeBytes, operation);
            } else if (isTracked(vdi)) {
                ChangeLog old = read(vdi, operation);
                ChangeLog larger = sized(old, sizeBytes);
                logs.write(vdi, larger, old.header(), operation);
            }
        } finally {
            lines.unlock();
        }
    }

    /** The disks and snapshots that take over what the log of the given one says when it goes. */
    public List<UUID> followers(UUID vdi, Operation operation) {
        return isTracked(vdi) ? logs.children(vdi, operation) : List.of();
    }

    // ---- comparing

    /** The size of a disk of which only the log is left, or nothing when that is damaged. */
    public Optional<Long> sizeBytes(UUID vdi, Operation operation) {
        return logs.header(vdi, operation).map(ChangeLogHeader::sizeBytes);
    }

    /** What a log says now. */
    ChangeLog read(UUID vdi, Operation operation) {
        Optional<ChangeTracker> tracker = tracker(vdi);
        if (tracker.isPresent()) {
            ChangeLog[] now = new ChangeLog[1];
            tracker.get()
                    .run(
                            () -> {
                                ActiveLog log = tracker.get().log().orElseThrow();
                                now[0] = new ChangeLog(log.header(), log.copy());
                            },
                            operation);
            return now[0];
        }
        return found(
                vdi,
                () ->
                        logs.read(vdi, operation)
                                .orElseThrow(
                                        () ->
                                                ErrorCode.VDI_LOAD.because(
                                                        "the log of disk " + vdi + " is damaged")),
                operation);
    }

    /** The snapshots with which a disk or a snapshot can be compared, the latest first. */
    public List<UUID> line(UUID vdi, Operation operation) {
        List<UUID> line = new ArrayList<>();
        Optional<UUID> at = Optional.of(vdi);
        while (at.isPresent() && !line.contains(at.get()) && isTracked(at.get())) {
            line.add(at.get());
            at = logs.header(at.get(), operation).flatMap(ChangeLogHeader::parent);
        }
        line.remove(vdi);
        return line;
    }

    /**
     * The blocks by which a disk or a snapshot may differ from an earlier snapshot on its line; for
     * a disk that is being written, as far as that was noted until now.
     *
     * @param sizeBytes how large the later one is
     * @throws StorageException VDI_NO_CBT_METADATA when one of them is not tracked,
     *     CBT_CHANGED_BLOCKS when they are not on one line in this order
     */
    public ChangedBlocks between(UUID from, UUID to, long sizeBytes, Operation operation) {
        requireTracked(from);
        requireTracked(to);
        lines.lock();
        try {
            ChangedBlocks changed = new ChangedBlocks(sizeBytes);
            Set<UUID> seen = new HashSet<>();
            UUID at = to;
            while (!at.equals(from)) {
                ChangeLog log = seen.add(at) ? read(at, operation) : null;
                Optional<UUID> parent =
                        Optional.ofNullable(log)
                                .flatMap(each -> each.header().parent())
                                .filter(this::isTracked);
                if (parent.isEmpty()) {
                    throw notOneLine(from, to);
                }
                changed.addAll(log.blocks());
                addNew(changed, log.header().sizeBytes());
                at = parent.get();
            }
            if (!from.equals(to)) {
                logs.header(from, operation)
                        .ifPresent(header -> addNew(changed, header.sizeBytes()));
            }
            return changed;
        } finally {
            lines.unlock();
        }
    }

    private static void addNew(ChangedBlocks changed, long sizeBytes) {
        if (sizeBytes < changed.sizeBytes()) {
            changed.addFrom(sizeBytes);
        }
    }

    private void requireTracked(UUID vdi) {
        if (!isTracked(vdi)) {
            throw ErrorCode.VDI_NO_CBT_METADATA.with(vdi.toString());
        }
    }

    private static StorageException notOneLine(UUID from, UUID to) {
        return ErrorCode.CBT_CHANGED_BLOCKS.because(
                "disk %s did not come from snapshot %s without a gap: it was reverted to another"
                                .formatted(to, from)
                        + " snapshot, or was not tracked for a while; make a full copy");
    }
}
