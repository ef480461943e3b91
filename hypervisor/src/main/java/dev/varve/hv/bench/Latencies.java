// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import java.util.Arrays;
import java.util.List;

/**
 * How long requests took, in nanoseconds.
 *
 * <p><b>Threads:</b> one adds.
 */
final class Latencies {
    /**
     * Small at first: with many clients in this process, large ones would make its collector pause.
     */
    private long[] nanos = new long[1 << 10];

    private int count;

    void add(long value) {
        if (count == nanos.length) {
            nanos = Arrays.copyOf(nanos, 2 * count);
        }
        nanos[count++] = value;
    }

    int count() {
        return count;
    }

    /** All of them together. */
    static Latencies of(List<Latencies> parts) {
        Latencies all = new Latencies();
        for (Latencies part : parts) {
            for (int i = 0; i < part.count; i++) {
                all.add(part.nanos[i]);
            }
        }
        Arrays.sort(all.nanos, 0, all.count);
        return all;
    }

    /** The value that so many of a hundred are not above, in milliseconds; of sorted ones. */
    double percentileMillis(double percent) {
        int index = (int) Math.ceil(percent / 100 * count) - 1;
        return nanos[Math.clamp(index, 0, count - 1)] / 1e6;
    }
}
