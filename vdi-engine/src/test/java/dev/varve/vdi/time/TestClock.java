// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.time;

import java.util.concurrent.atomic.AtomicLong;

/** A clock that the test turns forward, over the machine's or standing still. */
public final class TestClock implements Clock {
    private final boolean running;
    private final AtomicLong skippedNanos = new AtomicLong();

    private TestClock(boolean running) {
        this.running = running;
    }

    /** A clock that stands still unless it is turned. */
    public static TestClock standing() {
        return new TestClock(false);
    }

    /** The machine's clock, and what it is turned forward by. */
    public static TestClock running() {
        return new TestClock(true);
    }

    public void skip(long nanos) {
        skippedNanos.addAndGet(nanos);
    }

    @Override
    public long nanoTime() {
        return skippedNanos.get() + (running ? System.nanoTime() : 0);
    }

    @Override
    public long epochMillis() {
        return 1_700_000_000_000L + nanoTime() / 1_000_000;
    }
}
