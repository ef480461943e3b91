// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.io;

import java.util.function.BooleanSupplier;

/**
 * Starts operations on files and sockets and completes them on the thread that polls it.
 *
 * <p><b>Threads:</b> one thread, the lane's, submits, polls and waits; any thread may wake it.
 */
public interface IoBackend extends AutoCloseable {
    /** What it is, for people. */
    String name();

    /** Takes an operation. It completes in a later poll or wait, never during this call. */
    void submit(IoOp op);

    /**
     * Starts what was submitted and runs the completions of what is done, without sleeping.
     *
     * @return how many completions were run
     */
    int poll();

    /**
     * Starts what was submitted and sleeps until an operation is done, {@link #wake()} is called or
     * the time is over. It runs no completions.
     *
     * @param moreWork asked once after wake-ups are counted and before sleeping: true ends the wait
     */
    void await(long timeoutNanos, BooleanSupplier moreWork);

    /** Ends a present wait. Costs nothing while the lane is awake. Any thread. */
    void wake();

    /** Operations taken and not yet completed. */
    int inFlight();

    @Override
    void close();
}
