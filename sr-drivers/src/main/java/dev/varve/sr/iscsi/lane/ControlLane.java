// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.io.IoBackend;
import dev.varve.vdi.io.PoolBackend;
import dev.varve.vdi.io.UringBackend;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Threads;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * A lane with a thread of its own, for what code that waits wants of a unit. It sleeps while nobody
 * wants anything.
 */
final class ControlLane implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ControlLane.class);
    private static final long LONGEST_SLEEP_NANOS = TimeUnit.SECONDS.toNanos(10);
    private static final long STOP_MILLIS = 5000;
    private static final int RING_SLOTS = 64;
    private static final long BUFFER_BYTES = 1 << 20;

    private final Thread thread;
    private final Lane lane;
    private volatile boolean stopped;

    ControlLane(String name, Clock clock) {
        CompletableFuture<Lane> started = new CompletableFuture<>();
        thread = Threads.platform(name, () -> run(name, clock, started));
        thread.start();
        lane = started.join();
    }

    Lane lane() {
        return lane;
    }

    private void run(String name, Clock clock, CompletableFuture<Lane> started) {
        Lane running;
        try {
            running = make(name, clock);
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

    private static Lane make(String name, Clock clock) {
        EngineContext usual =
                EngineContext.defaults(
                        clock, (lane, e) -> LOG.error("a stage of {} threw", lane, e));
        EngineContext small =
                new EngineContext(
                        1,
                        RING_SLOTS,
                        usual.requestsPerVdi(),
                        BUFFER_BYTES,
                        usual.metadataBytes(),
                        1,
                        usual.backend(),
                        clock,
                        usual.trouble());
        IoBackend uring = UringBackend.open();
        return new Lane(name, uring == null ? new PoolBackend(name, 1) : uring, small);
    }

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
