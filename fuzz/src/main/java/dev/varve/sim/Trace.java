// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

/** A running hash over everything that happened, in order: equal hashes are equal simulations. */
public final class Trace {
    private static final long PRIME = 0x100000001B3L;

    private long hash = 0xCBF29CE484222325L;
    private long events;

    /** A trace of nothing. */
    public Trace() {}

    /** Adds an event. */
    public void add(int kind, long first, long second) {
        mix(kind);
        mix(first);
        mix(second);
        events++;
    }

    private void mix(long value) {
        hash = (hash ^ value) * PRIME;
        hash ^= hash >>> 29;
    }

    /** The hash so far. */
    public long hash() {
        return hash;
    }

    /** How many events there were. */
    public long events() {
        return events;
    }
}
