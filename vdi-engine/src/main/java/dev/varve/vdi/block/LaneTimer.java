// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

/**
 * Something to do on a lane at a later time. A timer is scheduled at most once at a time.
 *
 * <p><b>Threads:</b> the lane's only.
 */
public final class LaneTimer implements Comparable<LaneTimer> {
    private final Runnable action;
    private long dueNanos;
    private boolean queued;
    private boolean cancelled;

    /** A timer that is not scheduled. */
    public LaneTimer(Runnable action) {
        this.action = action;
    }

    /** Whether it will run. */
    public boolean isScheduled() {
        return queued && !cancelled;
    }

    /** Makes a scheduled timer not run. */
    public void cancel() {
        cancelled = true;
    }

    /** When it runs, in the lane's monotonic time. */
    public long dueNanos() {
        return dueNanos;
    }

    /** For the lane: whether it is in the lane's queue, cancelled or not. */
    public boolean isQueued() {
        return queued;
    }

    /** For the lane: it runs at this time. */
    public void arm(long newDueNanos) {
        dueNanos = newDueNanos;
        queued = true;
        cancelled = false;
    }

    /** For the lane: it is in the queue no longer. */
    public void disarm() {
        queued = false;
    }

    /** For the lane: its time has come. */
    public void fire() {
        queued = false;
        if (!cancelled) {
            action.run();
        }
    }

    @Override
    public int compareTo(LaneTimer other) {
        return Long.signum(dueNanos - other.dueNanos);
    }
}
