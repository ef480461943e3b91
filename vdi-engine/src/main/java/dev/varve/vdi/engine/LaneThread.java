// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.image.MetadataBudget;
import dev.varve.vdi.io.IoBackend;
import dev.varve.vdi.io.PoolBackend;
import dev.varve.vdi.io.UringBackend;
import dev.varve.vdi.time.Threads;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** The thread that runs a lane: works while there is work, then sleeps in the backend. */
final class LaneThread implements AutoCloseable {
    private static final long LONGEST_SLEEP_NANOS = TimeUnit.SECONDS.toNanos(10);
    private static final long STOP_MILLIS = 5000;

    private final Thread thread;
    private final Lane lane;
    private volatile boolean stopped;

    private LaneThread(String name, EngineContext context, MetadataBudget budget) {
        CompletableFuture<Lane> started = new CompletableFuture<>();
        this.thread = Threads.platform(name, () -> run(name, context, budget, started));
        thread.start();
        this.lane = started.join();
    }

    /** Starts a lane. The backend is made on its thread, as io_uring wants it. */
    static LaneThread start(String name, EngineContext context, MetadataBudget budget) {
        return new LaneThread(name, context, budget);
    }

    Lane lane() {
        return lane;
    }

    private void run(
            String name,
            EngineContext context,
            MetadataBudget budget,
            CompletableFuture<Lane> started) {
        Lane running;
        try {
            running = new Lane(name, backend(name, context), context, budget);
        } catch (RuntimeException | Error e) {
            started.completeExceptionally(e);
            return;
        }
        started.complete(running);
        while (!stopped) {
            if (running.doWork() == 0) {
                running.idle(LONGEST_SLEEP_NANOS);
            }
        }
        running.io().close();
    }

    private static IoBackend backend(String name, EngineContext context) {
        if (context.backend() != EngineContext.Backend.POOL) {
            IoBackend uring = UringBackend.open();
            if (uring != null) {
                return uring;
            }
            if (context.backend() == EngineContext.Backend.IO_URING) {
                throw new IllegalStateException("this system offers no io_uring to this process");
            }
        }
        return new PoolBackend(name, context.poolThreads());
    }

    /** Ends the thread after its present turn. What is in flight is ended by the system. */
    @Override
    public void close() {
        stopped = true;
        lane.execute(() -> {});
        try {
            thread.join(STOP_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
