// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

/**
 * Pages all over a disk in an order that looks random and is the same in every run: the finalizer
 * of SplitMix64 over a counter.
 */
final class Pages {
    /** The size of a page. */
    static final int BYTES = 4096;

    private static final long GOLDEN = 0x9E3779B97F4A7C15L;

    private final long count;
    private long state;

    /**
     * @param seed another order
     * @param count how many pages there are
     */
    Pages(long seed, long count) {
        this.state = seed * GOLDEN * GOLDEN;
        this.count = count;
    }

    /** The number of a page, from 0 on. */
    long next() {
        state += GOLDEN;
        long mixed = (state ^ (state >>> 30)) * 0xBF58476D1CE4E5B9L;
        mixed = (mixed ^ (mixed >>> 27)) * 0x94D049BB133111EBL;
        return Math.floorMod(mixed ^ (mixed >>> 31), count);
    }
}
