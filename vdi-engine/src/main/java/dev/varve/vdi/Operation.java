// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi;

import dev.varve.vdi.time.Clock;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/**
 * The handle of an operation that may take long: how far it is, whether it was cancelled, how fast
 * it may go and when it has to be done. Whoever works calls {@link #checkpoint()} between steps;
 * whoever waits reads the progress. A task of the API is a view of one of these.
 *
 * <p><b>Threads:</b> one thread works, any thread may read or cancel.
 */
public final class Operation {
    /** No deadline. */
    public static final long NO_DEADLINE = Long.MAX_VALUE;

    private final String label;
    private final Clock clock;
    private final long startNanos;
    private final long deadlineNanos;
    private volatile double progress;
    private volatile boolean cancelled;
    private volatile long bytesPerSecond;
    private volatile long bytesDone;
    private volatile Runnable observer = () -> {};
    private final List<Runnable> onCancel = new CopyOnWriteArrayList<>();

    private Operation(String label, Clock clock, long deadlineNanos) {
        this.label = label;
        this.clock = clock;
        this.startNanos = clock.nanoTime();
        this.deadlineNanos = deadlineNanos;
    }

    /** An operation without a deadline. */
    public static Operation unbounded(String label, Clock clock) {
        return new Operation(label, clock, NO_DEADLINE);
    }

    /** An operation that has to be done after the given time. */
    public static Operation within(String label, Clock clock, long timeout, TimeUnit unit) {
        return new Operation(label, clock, clock.nanoTime() + unit.toNanos(timeout));
    }

    /** What is being done, for a person. */
    public String label() {
        return label;
    }

    /** How much is done, from 0 to 1. */
    public double progress() {
        return progress;
    }

    /** Says how much is done, from 0 to 1; it never goes back. */
    public void progress(double done) {
        double before = progress;
        progress = Math.max(before, Math.min(1.0, done));
        if (percent(progress) != percent(before)) {
            observer.run();
        }
    }

    private static int percent(double part) {
        return (int) (part * 100);
    }

    /**
     * Has somebody told when another whole percent is done, or when the operation is cancelled.
     *
     * @param told on the thread that works or cancels; it must not block
     */
    public void observe(Runnable told) {
        observer = told;
    }

    /** Says how many bytes out of how many are done. */
    public void progress(long done, long total) {
        bytesDone = done;
        progress(total <= 0 ? 1.0 : (double) done / total);
    }

    /** Seconds until it is done at the pace so far, or -1 while that cannot be told. */
    public long etaSeconds() {
        double done = progress;
        if (done <= 0) {
            return -1;
        }
        double elapsed = clock.nanoTime() - startNanos;
        return TimeUnit.NANOSECONDS.toSeconds((long) (elapsed * (1 - done) / done));
    }

    /** Limits the pace; 0 means no limit. */
    public void limit(long bytesPerSecond) {
        this.bytesPerSecond = bytesPerSecond;
    }

    /** The pace that it is limited to; 0 when there is no limit. */
    public long bytesPerSecond() {
        return bytesPerSecond;
    }

    /** Asks the worker to stop at its next checkpoint. */
    public void cancel() {
        cancelled = true;
        observer.run();
        onCancel.forEach(Runnable::run);
    }

    /** Something that was asked for until this is closed. */
    public interface Hold extends AutoCloseable {
        @Override
        void close();
    }

    /**
     * Has something done as soon as the operation is cancelled, now if it is already: to end a wait
     * that reaches no checkpoint.
     *
     * @param action on the thread that cancels; it must not block, and doing it twice does no harm
     */
    public Hold whenCancelled(Runnable action) {
        onCancel.add(action);
        if (cancelled) {
            action.run();
        }
        return () -> onCancel.remove(action);
    }

    /** Whether {@link #cancel()} was called. */
    public boolean isCancelled() {
        return cancelled;
    }

    /** Nanoseconds left until the deadline, at least 0; {@link Long#MAX_VALUE} without one. */
    public long remainingNanos() {
        return deadlineNanos == NO_DEADLINE
                ? Long.MAX_VALUE
                : Math.max(0, deadlineNanos - clock.nanoTime());
    }

    /** How long the worker must pause now to keep to the pace, in nanoseconds. */
    public long pauseNanos() {
        long limit = bytesPerSecond;
        if (limit <= 0) {
            return 0;
        }
        double due = (double) bytesDone / limit * TimeUnit.SECONDS.toNanos(1);
        return Math.max(0, (long) due - (clock.nanoTime() - startNanos));
    }

    /**
     * Ends the work when it was cancelled or is late.
     *
     * @throws StorageException TASK_CANCELLED or OPERATION_TIMED_OUT
     */
    public void checkpoint() {
        if (cancelled) {
            throw ErrorCode.TASK_CANCELLED.with(label);
        }
        if (deadlineNanos != NO_DEADLINE && clock.nanoTime() - deadlineNanos >= 0) {
            long seconds = TimeUnit.NANOSECONDS.toSeconds(deadlineNanos - startNanos);
            throw ErrorCode.OPERATION_TIMED_OUT.with(label, Long.toString(seconds));
        }
    }
}
