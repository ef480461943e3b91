// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.vdi.time.Waiting;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/**
 * An executor that can be emptied before what its work uses goes away. Work that comes later is
 * dropped.
 *
 * <p><b>Threads:</b> any; {@link #close} waits, and is not called from work.
 */
final class Draining implements Executor, AutoCloseable {
    private final Executor executor;
    private final CompletableFuture<Void> empty = new CompletableFuture<>();
    private int running;
    private boolean closed;

    Draining(Executor executor) {
        this.executor = executor;
    }

    @Override
    public void execute(Runnable work) {
        synchronized (this) {
            if (closed) {
                return;
            }
            running++;
        }
        try {
            executor.execute(
                    () -> {
                        try {
                            work.run();
                        } finally {
                            ended();
                        }
                    });
        } catch (RuntimeException e) {
            ended();
            throw e;
        }
    }

    private synchronized void ended() {
        running--;
        if (closed && running == 0) {
            empty.complete(null);
        }
    }

    /** Takes nothing more, and returns when all that was taken has ended. */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            if (running == 0) {
                empty.complete(null);
            }
        }
        Waiting.threads().join(empty);
    }
}
