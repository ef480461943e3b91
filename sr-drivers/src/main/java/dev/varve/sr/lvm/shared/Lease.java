// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.vdi.ErrorCode;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

/**
 * Whether this host may still believe in its claims. It may for a third of the term after it has
 * begun the last beat that succeeded, and then stops by itself, long before another host may put it
 * out; it goes on when a beat succeeds again and nobody has put it out meanwhile.
 *
 * <p><b>Threads:</b> any; listeners are told on the thread that notices.
 */
final class Lease {
    private final Pace pace;
    private final long fenceNanos;
    private final List<Consumer<Boolean>> listeners = new CopyOnWriteArrayList<>();

    private volatile long renewedAt;
    private volatile String lost = "";
    private volatile String trouble = "";
    private boolean told;

    Lease(Pace pace, long fenceNanos, long renewedAt) {
        this.pace = pace;
        this.fenceNanos = fenceNanos;
        this.renewedAt = renewedAt;
    }

    /** A beat that began then has succeeded. */
    void renewed(long begin) {
        renewedAt = begin;
        trouble = "";
        tell();
    }

    /** A beat has failed. */
    void failed(String why) {
        trouble = why;
        tell();
    }

    /** The place is gone for good; who waits for the fence to open is told even if it is closed. */
    void lose(String why) {
        synchronized (this) {
            lost = why;
            told = true;
        }
        listeners.forEach(listener -> listener.accept(true));
    }

    boolean isLost() {
        return !lost.isEmpty();
    }

    boolean isFenced() {
        return isLost() || remainingNanos() < 0;
    }

    /** How long this host may go on without another beat. */
    long remainingNanos() {
        return fenceNanos - (pace.now() - renewedAt);
    }

    /**
     * Fails when this host may not go on.
     *
     * @throws dev.varve.vdi.StorageException SR_UNAVAILABLE
     */
    void require() {
        if (isLost()) {
            throw ErrorCode.SR_UNAVAILABLE.because(lost);
        }
        if (isFenced()) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "this host could not tell others for %,d s that it lives, and has stopped: %s"
                            .formatted(
                                    (pace.now() - renewedAt) / 1_000_000_000,
                                    trouble.isEmpty() ? "the device does not answer" : trouble));
        }
    }

    void listen(Consumer<Boolean> listener) {
        listeners.add(listener);
    }

    /** Tells the listeners when it has changed whether this host is fenced. */
    void tell() {
        boolean fenced;
        synchronized (this) {
            fenced = isFenced();
            if (fenced == told) {
                return;
            }
            told = fenced;
        }
        listeners.forEach(listener -> listener.accept(fenced));
    }
}
