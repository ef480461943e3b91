// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.time;

/** The only source of time. */
public interface Clock {
    /** A monotonic time in nanoseconds, only good for differences. */
    long nanoTime();

    /** Milliseconds since 1970-01-01 UTC. */
    long epochMillis();

    /** The clock of this machine. */
    static Clock system() {
        return SystemClock.INSTANCE;
    }
}
