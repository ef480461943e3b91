// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.Invariant;
import dev.varve.vdi.time.Clock;

/** A clock that stands still until the simulation moves it. */
public final class SimClock implements Clock {
    /** 2026-01-01 00:00:00 UTC. */
    private static final long START_MILLIS = 1_767_225_600_000L;

    private long nanos;

    /** A clock at the start of the simulated time. */
    public SimClock() {}

    @Override
    public long nanoTime() {
        return nanos;
    }

    @Override
    public long epochMillis() {
        return START_MILLIS + nanos / 1_000_000;
    }

    /** Moves the time forward. */
    public void advance(long byNanos) {
        Invariant.check(byNanos >= 0, "time does not go back");
        nanos += byNanos;
    }
}
