// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

import dev.varve.sr.spi.PathHealth;
import dev.varve.vdi.time.Clock;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/**
 * The paths to one LUN, and which of them are in use: the healthy ones of the best rank, in turn.
 *
 * <p><b>Threads:</b> any. What lanes call takes no lock as long as paths are healthy, and a short
 * one, under which nothing waits, when one fails.
 */
final class PathSet {
    private static final DiskPath[] NONE = {};

    /** Told when there is a path again after there was none. */
    interface Listener {
        void usable();
    }

    private final Clock clock;
    private final long holdNanos;
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();
    private final List<DiskPath> all = new ArrayList<>();
    private volatile DiskPath[] usable = NONE;
    private volatile long epoch;
    private volatile long downSinceNanos;

    /** Counts requests. Lanes that count at the same time lose some, which does no harm. */
    private int turn;

    PathSet(Clock clock, PathSettings settings) {
        this.clock = clock;
        this.holdNanos = TimeUnit.SECONDS.toNanos(settings.holdSeconds());
        this.downSinceNanos = clock.nanoTime();
    }

    void listen(Listener listener) {
        listeners.add(listener);
    }

    // ---- for lanes

    /** A path that the caller has entered, or null when there is none. */
    DiskPath take() {
        for (DiskPath[] now = usable; now.length > 0; now = usable) {
            int start = (turn++ & Integer.MAX_VALUE) % now.length;
            for (int i = 0; i < now.length; i++) {
                DiskPath path = now[(start + i) % now.length];
                if (path.isHealthy() && path.enter()) {
                    return path;
                }
            }
            // All of them failed since; whoever has failed them is about to say so.
            refresh();
        }
        return null;
    }

    /** Whether there is a path. */
    boolean isUsable() {
        return usable.length > 0;
    }

    /**
     * A number that is another one when there was no path for a while: the LUN may have been
     * without power meanwhile.
     */
    long epoch() {
        return epoch;
    }

    /** How long requests may still wait for a path, in nanoseconds; 0 or less when no longer. */
    long patienceNanos() {
        return holdNanos == 0 ? Long.MAX_VALUE : holdNanos - (clock.nanoTime() - downSinceNanos);
    }

    // ---- changes

    /** Adds a path. */
    void add(DiskPath path) {
        synchronized (this) {
            all.add(path);
        }
        refresh();
    }

    /** Takes a path out for good. */
    void remove(DiskPath path) {
        boolean known;
        synchronized (this) {
            known = all.remove(path);
        }
        if (known) {
            path.retire();
            refresh();
        }
    }

    /** A path has failed. */
    void fail(DiskPath path, String error) {
        path.fail(error);
        refresh();
    }

    /** A path works again. */
    void heal(DiskPath path) {
        path.heal();
        refresh();
    }

    private void refresh() {
        boolean risen;
        synchronized (this) {
            DiskPath[] before = usable;
            DiskPath[] now = best();
            risen = before.length == 0 && now.length > 0;
            if (risen) {
                epoch++;
            } else if (before.length > 0 && now.length == 0) {
                downSinceNanos = clock.nanoTime();
            }
            usable = now;
        }
        if (risen) {
            listeners.forEach(Listener::usable);
        }
    }

    private DiskPath[] best() {
        int rank = Integer.MAX_VALUE;
        for (DiskPath path : all) {
            if (path.isHealthy()) {
                rank = Math.min(rank, path.candidate().rank());
            }
        }
        int best = rank;
        return all.stream()
                .filter(path -> path.isHealthy() && path.candidate().rank() == best)
                .toArray(DiskPath[]::new);
    }

    // ---- looks

    /** All paths. */
    synchronized List<DiskPath> all() {
        return List.copyOf(all);
    }

    /** How all of them do. */
    List<PathHealth> health(String scsiId) {
        return all().stream().map(path -> path.health(scsiId)).toList();
    }
}
