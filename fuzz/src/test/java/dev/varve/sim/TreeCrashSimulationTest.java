// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * Trees of disks on a host that loses its power.
 *
 * <p>A normal build runs the seeds from 1 on. {@code -Dsim.seed=N} runs one seed, and {@code
 * -Dsim.seeds=N} with the tag {@code long} so many random ones.
 */
@Tag("sim")
class TreeCrashSimulationTest {
    private static final int FIXED_SEEDS = 250;
    private static final int MOST_FAILURES = 5;

    private static void assertNoFailures(long first, int count) {
        SimulationSummary summary = new SimulationSummary();
        Seeds.each(
                first,
                count,
                seed -> {
                    summary.runTrees(new Seed(seed));
                    return summary.failures().size() < MOST_FAILURES;
                });
        summary.lines().forEach(System.out::println);
        assertTrue(summary.failures().isEmpty(), () -> String.join("\n\n", summary.failures()));
    }

    @Test
    void losesNothingThatWasPromised() {
        Long only = Long.getLong("sim.seed");
        if (only != null) {
            TreeSimulation.run(new Seed(only)); // with the whole stack trace
            return;
        }
        assertNoFailures(1, FIXED_SEEDS);
    }

    @Test
    @Tag("long")
    void losesNothingThatWasPromisedWithRandomSeeds() {
        RandomGenerator random = RandomGeneratorFactory.getDefault().create();
        long first = random.nextLong(1L << 48);
        int count = Integer.getInteger("sim.seeds", 10_000);
        System.out.printf("simulating %d seeds of trees from %d on%n", count, first);
        assertNoFailures(first, count);
    }

    @Test
    void repeatsItselfWithTheSameSeed() {
        for (long seed = 1; seed <= 10; seed++) {
            assertEquals(
                    TreeSimulation.run(new Seed(seed)).traceHash(),
                    TreeSimulation.run(new Seed(seed)).traceHash());
        }
    }

    @Test
    void namesTheOneCommandThatRepeatsAFailure() {
        assertEquals(
                "./varve test --test TreeCrashSimulationTest --sim-seed 42",
                new Seed(42).treeReplayCommand());
    }
}
