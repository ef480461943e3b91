// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

import dev.varve.sr.spi.PathHealth;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Scheduler;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/**
 * Looks at the paths to a LUN every few seconds, and at once when one has failed: which ones the
 * host shows now, and whether each can be read. New ones are opened, those that went away are let
 * go of, and those that work again are put back to use.
 *
 * <p>A read over a broken path may take as long as the kernel tries, so every path has a check of
 * its own that delays no other.
 *
 * <p><b>Threads:</b> any; what blocks runs on the executor.
 */
final class PathWatcher implements AutoCloseable {
    /** What the watcher needs to know of the LUN. */
    interface Lun {
        /** The devices through which the host reaches it now. */
        List<PathCandidate> candidates();

        /**
         * Opens one.
         *
         * @throws StorageException when it cannot be opened, or is another LUN
         */
        DiskPath open(PathCandidate candidate);
    }

    private final Lun lun;
    private final PathSet paths;
    private final Executor blocking;
    private final Scheduler scheduler;
    private final long everySeconds;

    /** Why candidates could not be opened, by what they are. */
    private volatile Map<String, String> refused = Map.of();

    private boolean closed;

    PathWatcher(
            Lun lun, PathSet paths, Executor blocking, Scheduler scheduler, PathSettings settings) {
        this.lun = lun;
        this.paths = paths;
        this.blocking = blocking;
        this.scheduler = scheduler;
        this.everySeconds = settings.checkSeconds();
    }

    /** Begins to look, after the first interval. */
    void start() {
        scheduler.after(everySeconds, TimeUnit.SECONDS, () -> blocking.execute(this::turn));
    }

    /** Looks at once, on another thread. */
    void lookSoon() {
        blocking.execute(
                () -> {
                    look();
                    checkAll();
                });
    }

    private void turn() {
        try {
            look();
            checkAll();
        } finally {
            if (!isClosed()) {
                start();
            }
        }
    }

    private synchronized boolean isClosed() {
        return closed;
    }

    // ---- what is there

    /** Brings the set to what the host shows. Blocks while it opens devices. */
    synchronized void look() {
        if (closed) {
            return;
        }
        List<PathCandidate> candidates = new ArrayList<>(lun.candidates());
        for (DiskPath path : paths.all()) {
            PathCandidate now = takeSame(candidates, path.candidate());
            if (now == null) {
                paths.remove(path);
            } else {
                path.update(now);
                if (!now.usable() && path.isHealthy()) {
                    paths.fail(path, "the host has it offline");
                }
            }
        }
        Map<String, String> reasons = new TreeMap<>();
        candidates.forEach(candidate -> open(candidate, reasons));
        refused = Map.copyOf(reasons);
    }

    private static PathCandidate takeSame(List<PathCandidate> candidates, PathCandidate known) {
        for (PathCandidate candidate : candidates) {
            if (candidate.isSameDevice(known)) {
                candidates.remove(candidate);
                return candidate;
            }
        }
        return null;
    }

    private void open(PathCandidate candidate, Map<String, String> reasons) {
        if (!candidate.usable()) {
            reasons.put(candidate.describe(), "the host has it offline");
            return;
        }
        try {
            paths.add(lun.open(candidate));
        } catch (StorageException e) {
            // It is shown with the reason, and tried again with the next look.
            reasons.put(candidate.describe(), e.sentence());
        }
    }

    // ---- how it does

    private void checkAll() {
        for (DiskPath path : paths.all()) {
            if (path.beginCheck()) {
                blocking.execute(() -> check(path));
            }
        }
    }

    private void check(DiskPath path) {
        if (!path.enter()) {
            return;
        }
        try {
            path.check();
            if (!path.isHealthy() && path.candidate().usable()) {
                paths.heal(path);
            }
        } catch (StorageException e) {
            if (path.isHealthy()) {
                paths.fail(path, e.sentence());
            }
            if (path.isGone()) {
                // A device that was unplugged never comes back; what is plugged in is a new one.
                paths.remove(path);
            }
        } finally {
            path.endCheck();
            path.leave(Runnable::run);
        }
    }

    /** How all paths do, those too that cannot be opened. */
    List<PathHealth> health(String scsiId) {
        List<PathHealth> health = new ArrayList<>(paths.health(scsiId));
        refused.forEach(
                (path, reason) -> health.add(new PathHealth(scsiId, path, false, 0, reason)));
        return health;
    }

    @Override
    public void close() {
        synchronized (this) {
            closed = true;
        }
        scheduler.close();
        paths.all().forEach(paths::remove);
    }
}
