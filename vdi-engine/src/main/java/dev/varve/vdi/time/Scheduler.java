// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.time;

import java.util.concurrent.TimeUnit;

/**
 * Runs work after a delay. The work must be short: whatever blocks is handed on to another thread.
 *
 * <p><b>Threads:</b> any; the work runs on the scheduler's own thread.
 */
public interface Scheduler extends AutoCloseable {
    /** Work that was scheduled. */
    interface Handle {
        /** Sees to it that the work does not start any more; work that runs already goes on. */
        void cancel();
    }

    /** Runs the work once after the delay. */
    Handle after(long delay, TimeUnit unit, Runnable work);

    /** Drops all work that has not started. */
    @Override
    void close();

    /** A scheduler with a thread of its own that follows the time of this machine. */
    static Scheduler system(String threadName) {
        return new SystemScheduler(threadName);
    }
}
