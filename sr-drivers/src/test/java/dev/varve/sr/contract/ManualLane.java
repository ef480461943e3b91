// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.contract;

import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.BufferPool;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.io.IoBackend;
import dev.varve.vdi.time.Clock;

import java.util.PriorityQueue;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/** A lane without files, whose thread is the test's and whose time moves when the test says so. */
public final class ManualLane implements IoContext, Clock {
    private final Queue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final PriorityQueue<LaneTimer> timers = new PriorityQueue<>();
    private long now = 1_000_000_000L;

    /** Runs what others have given. */
    public void pump() {
        for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
            task.run();
        }
    }

    /** Lets time go by. */
    public void advance(long nanos) {
        now += nanos;
        while (!timers.isEmpty() && timers.peek().dueNanos() <= now) {
            timers.poll().fire();
        }
        pump();
    }

    @Override
    public long nanoTime() {
        return now;
    }

    @Override
    public long epochMillis() {
        return now / 1_000_000;
    }

    @Override
    public IoBackend io() {
        throw new UnsupportedOperationException("no files here");
    }

    @Override
    public Clock clock() {
        return this;
    }

    @Override
    public BufferPool buffers() {
        throw new UnsupportedOperationException("no buffers here");
    }

    @Override
    public BlockRequest acquire() {
        return new BlockRequest(this);
    }

    @Override
    public void release(BlockRequest request) {}

    @Override
    public void schedule(LaneTimer timer, long delayNanos) {
        timers.remove(timer);
        timer.arm(now + delayNanos);
        timers.add(timer);
    }

    @Override
    public void execute(Runnable task) {
        tasks.add(task);
    }

    @Override
    public void atEndOfTurn(Runnable task) {
        task.run();
    }
}
