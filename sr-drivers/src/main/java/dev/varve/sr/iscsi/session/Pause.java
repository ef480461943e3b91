// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.session;

import dev.varve.sr.iscsi.Deadline;
import dev.varve.vdi.time.Waiting;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The growing wait before something is tried again with a peer that gives no sign of when it will
 * be able to.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class Pause {
    private static final long FIRST_MILLIS = 20;
    private static final long LONGEST_MILLIS = 2000;

    private long millis = FIRST_MILLIS;

    /**
     * Waits, at most until a deadline.
     *
     * @return whether there is time left to try again
     */
    boolean beforeNextTry(Deadline deadline) {
        long wait = Math.min(millis, deadline.millisLeft());
        millis = Math.min(2 * millis, LONGEST_MILLIS);
        try {
            Waiting.threads()
                    .await(new CompletableFuture<Void>(), TimeUnit.MILLISECONDS.toNanos(wait));
            throw new IllegalStateException("what nobody completes is complete");
        } catch (TimeoutException e) {
            return !deadline.isPast();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        } catch (ExecutionException e) {
            throw new IllegalStateException("what nobody completes has failed", e);
        }
    }
}
