// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import dev.varve.vdi.io.IoBackend;
import dev.varve.vdi.time.Clock;

/**
 * What a lane offers to the devices that run on it.
 *
 * <p><b>Threads:</b> the lane's only, except {@link #execute}.
 */
public interface IoContext {
    /** Files and sockets. */
    IoBackend io();

    /** Time. */
    Clock clock();

    /** Memory for data. */
    BufferPool buffers();

    /** A request to use as a part of another one. Give it back with {@link #release}. */
    BlockRequest acquire();

    /** Takes back a request from {@link #acquire}; it must not be in flight. */
    void release(BlockRequest request);

    /** Runs a timer when its time has come. */
    void schedule(LaneTimer timer, long delayNanos);

    /** Runs the task on the lane, soon. Any thread. */
    void execute(Runnable task);

    /** Runs the task at the end of the present turn, after all completions that are there. */
    void atEndOfTurn(Runnable task);
}
