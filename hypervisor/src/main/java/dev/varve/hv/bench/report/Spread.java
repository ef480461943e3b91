// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench.report;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The same figure from several rounds of one run.
 *
 * @param rounds one for each round, in their order; at least one
 */
public record Spread(List<Double> rounds) {
    /** Copies the list. */
    public Spread {
        rounds = List.copyOf(rounds);
        if (rounds.isEmpty()) {
            throw new IllegalArgumentException("a figure needs at least one round");
        }
    }

    /** The figures of some rounds. */
    public static Spread of(double... rounds) {
        return new Spread(Arrays.stream(rounds).boxed().toList());
    }

    /** The smallest. */
    public double min() {
        return sorted()[0];
    }

    /** The one in the middle, or what lies between the two there. */
    public double median() {
        double[] sorted = sorted();
        int half = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }

    /** The largest. */
    public double max() {
        return sorted()[rounds.size() - 1];
    }

    private double[] sorted() {
        return rounds.stream().mapToDouble(Double::doubleValue).sorted().toArray();
    }

    /**
     * The ratio to a baseline. Each round is compared with the same round of the baseline, which
     * ran just before or after it, so that a drift of the machine strikes both. When one of the two
     * was measured in fewer rounds, the medians are compared.
     */
    public Spread ratioTo(Spread baseline) {
        if (rounds.size() != baseline.rounds.size()) {
            return of(median() / baseline.median());
        }
        return new Spread(
                IntStream.range(0, rounds.size())
                        .mapToObj(i -> rounds.get(i) / baseline.rounds.get(i))
                        .toList());
    }
}
