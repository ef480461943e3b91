// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Waiting;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;

/**
 * The time of this host, and waiting in it for what other hosts do, of which nobody tells but the
 * device when it is looked at.
 */
final class Pace {
    private final Clock clock;
    private final Waiting waiting;
    private final CompletableFuture<Void> closed = new CompletableFuture<>();

    Pace(Clock clock, Waiting waiting) {
        this.clock = clock;
        this.waiting = waiting;
    }

    long now() {
        return clock.nanoTime();
    }

    /** Waits before the device is looked at again; fails when the repository is detached. */
    void rest(long nanos) {
        try {
            waiting.await(closed, nanos);
        } catch (TimeoutException e) {
            return;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ErrorCode.SR_UNAVAILABLE.because("waiting for other hosts was interrupted", e);
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        }
        throw ErrorCode.SR_UNAVAILABLE.because("the repository is being detached");
    }

    /** Ends all waiting. */
    void close() {
        closed.complete(null);
    }
}
