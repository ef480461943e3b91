// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Waiting;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeoutException;

/** Time that passes when somebody waits, and what others do meanwhile. */
final class SimulatedTime implements Clock, Waiting {
    private final List<Runnable> others = new ArrayList<>();
    private long now;
    private boolean busy;

    @Override
    public long nanoTime() {
        return now;
    }

    @Override
    public long epochMillis() {
        return now / 1_000_000;
    }

    void pass(long nanos) {
        now += nanos;
    }

    /** Done each time that somebody waits. */
    void meanwhile(Runnable work) {
        others.add(work);
    }

    @Override
    public <T> T await(CompletableFuture<T> done, long nanos) throws TimeoutException {
        if (done.isDone()) {
            return done.join();
        }
        now += nanos;
        if (!busy) {
            busy = true;
            try {
                List.copyOf(others).forEach(Runnable::run);
            } finally {
                busy = false;
            }
        }
        throw new TimeoutException();
    }

    @Override
    public <T> T join(CompletableFuture<T> done) {
        return done.join();
    }

    @Override
    public void start(String name, Runnable work) {
        throw new UnsupportedOperationException("nothing is started");
    }
}
