// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Scheduler;

import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/**
 * Keeps the claims of this host alive while a repository is attached, has its listeners told when
 * it has to stop, and answers the other hosts while it is the owner.
 *
 * <p>An owner looks for requests quickly while there are some, and less and less often when there
 * are none; while no other host is attached it does not look at all, and learns of one with a beat.
 *
 * <p><b>Threads:</b> the scheduler only starts things; they run where it may block. Beats go on
 * while a request is answered.
 */
public final class Pulse implements AutoCloseable {
    private final SharedClaims claims;
    private final Ownership ownership;
    private final Scheduler scheduler;
    private final Executor blocking;
    private boolean closed;
    private boolean polling;
    private long pollNanos;

    /**
     * Begins.
     *
     * @param scheduler lives at least as long
     * @param blocking where work runs that waits for the device
     */
    public Pulse(SharedClaims claims, Ownership ownership, Scheduler scheduler, Executor blocking) {
        this.claims = claims;
        this.ownership = ownership;
        this.scheduler = scheduler;
        this.blocking = blocking;
        this.pollNanos = claims.settings().idleNanos();
        claims.onMaintenance(this::poll);
        later(claims.settings().beatNanos(), this::beat);
        later(claims.settings().fenceNanos(), this::watch);
    }

    private synchronized void later(long nanos, Runnable work) {
        if (!closed) {
            scheduler.after(nanos, TimeUnit.NANOSECONDS, () -> start(work));
        }
    }

    private synchronized void start(Runnable work) {
        if (!closed) {
            blocking.execute(work);
        }
    }

    private void beat() {
        try {
            claims.beat();
        } catch (StorageException e) {
            // The claims have taken note of it, and stop this host when it goes on for too long.
            claims.checkFence();
        }
        if (!claims.isLost()) {
            later(claims.settings().beatNanos(), this::beat);
        }
        poll();
    }

    /** A beat that hangs does not notice itself that it takes too long. */
    private void watch() {
        claims.checkFence();
        long left = claims.fenceAfterNanos();
        if (!claims.isLost()) {
            later(left > 0 ? left + 1 : claims.settings().beatNanos(), this::watch);
        }
    }

    /** Begins to look for requests, if there may be some and nobody looks yet. */
    private void poll() {
        synchronized (this) {
            if (polling || closed || !ownership.isNeeded()) {
                return;
            }
            polling = true;
            pollNanos = claims.settings().quickNanos();
        }
        later(0, this::answer);
    }

    private void answer() {
        boolean any = false;
        try {
            any = ownership.answer();
        } catch (StorageException e) {
            // It is tried again; whoever asks waits until then, and beats tell of the device.
            claims.checkFence();
        } finally {
            answerLater(any);
        }
    }

    private synchronized void answerLater(boolean any) {
        if (closed || !ownership.isNeeded()) {
            polling = false;
            return;
        }
        long quick = claims.settings().quickNanos();
        long slower = Math.min(claims.settings().idleNanos(), pollNanos + pollNanos / 4 + 1);
        pollNanos = any ? quick : slower;
        later(pollNanos, this::answer);
    }

    /** Starts nothing more. What runs goes on to its end. */
    @Override
    public synchronized void close() {
        closed = true;
    }
}
