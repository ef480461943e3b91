// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.time;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;

/**
 * How code that may wait does so, and how it has something done meanwhile. On a machine these are
 * threads; a simulation, which has only one, goes on with everything else until the wait is over.
 *
 * <p><b>Threads:</b> any that may wait, so not a lane's; {@link #start} from a lane's as well.
 */
public interface Waiting {
    /** Waits until something is done, at most so long. */
    <T> T await(CompletableFuture<T> done, long nanos)
            throws InterruptedException, ExecutionException, TimeoutException;

    /** Waits until something is done, however long that takes. */
    <T> T join(CompletableFuture<T> done);

    /** Does work that may wait, beside the caller. */
    void start(String name, Runnable work);

    /** Does the same work several times at once and waits for all; throws the first failure. */
    default void together(String name, int count, Runnable work) {
        List<CompletableFuture<Void>> running = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            CompletableFuture<Void> done = new CompletableFuture<>();
            running.add(done);
            start(name + i, () -> run(work, done));
        }
        try {
            join(CompletableFuture.allOf(running.toArray(CompletableFuture[]::new)));
        } catch (CompletionException e) {
            switch (e.getCause()) {
                case RuntimeException failure -> throw failure;
                case Error failure -> throw failure;
                default -> throw e;
            }
        }
    }

    private static void run(Runnable work, CompletableFuture<Void> done) {
        try {
            work.run();
            done.complete(null);
        } catch (RuntimeException | Error e) {
            done.completeExceptionally(e);
        }
    }

    /** The threads of this machine. */
    static Waiting threads() {
        return ThreadWaiting.INSTANCE;
    }
}
