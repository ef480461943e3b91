// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import java.util.function.LongPredicate;
import java.util.stream.LongStream;

/** Simulations of one seed each, as many at a time as there are processors. */
final class Seeds {
    private Seeds() {}

    /** Runs something for each seed until it says that this was enough. */
    static void each(long first, int count, LongPredicate goesOn) {
        var _ = LongStream.range(first, first + count).parallel().allMatch(goesOn);
    }

    /** Whether one of the seeds finds what is looked for. Once it has, no others begin. */
    static boolean any(int count, LongPredicate finds) {
        return LongStream.rangeClosed(1, count).parallel().anyMatch(finds);
    }
}
