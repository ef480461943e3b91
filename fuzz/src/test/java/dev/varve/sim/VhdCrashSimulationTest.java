// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.image.ImageLayer;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

import java.util.Arrays;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * VHD disks on a host that loses its power.
 *
 * <p>A normal build runs the seeds from 1 on. {@code -Dsim.seed=N} runs one seed, and {@code
 * -Dsim.seeds=N} with the tag {@code long} so many random ones.
 */
@Tag("sim")
class VhdCrashSimulationTest {
    private static final int FIXED_SEEDS = 1000;
    private static final int MOST_FAILURES = 5;

    private static void assertNoFailures(long first, int count) {
        SimulationSummary summary = new SimulationSummary();
        Seeds.each(
                first,
                count,
                seed -> {
                    summary.runDisk(new Seed(seed));
                    return summary.failures().size() < MOST_FAILURES;
                });
        summary.lines().forEach(System.out::println);
        assertTrue(summary.failures().isEmpty(), () -> String.join("\n\n", summary.failures()));
    }

    @Test
    void losesNothingThatWasPromised() {
        Long only = Long.getLong("sim.seed");
        if (only != null) {
            Simulation.run(new Seed(only)); // with the whole stack trace
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
        System.out.printf("simulating %d seeds from %d on%n", count, first);
        assertNoFailures(first, count);
    }

    /** Counts how often room is given up, and how often it may be used anew. */
    private static final class CountingLayer extends ForwardingLayer {
        private final int[] counts;

        CountingLayer(ImageLayer layer, int[] counts) {
            super(layer);
            this.counts = counts;
        }

        @Override
        public long free(long offset, long length) {
            long freed = layer.free(offset, length);
            counts[0] += freed > 0 ? 1 : 0;
            return freed;
        }

        @Override
        public void reuseFreed() {
            counts[1]++;
            layer.reuseFreed();
        }
    }

    @Test
    void givesRoomUpAndUsesItAnew() {
        int[] counts = new int[2];
        Sabotage counting =
                new Sabotage() {
                    @Override
                    public ImageLayer wrap(ImageLayer layer) {
                        return new CountingLayer(layer, counts);
                    }
                };
        for (long seed = 1; seed <= 40; seed++) {
            Simulation.run(new Seed(seed), counting);
        }
        assertTrue(counts[0] > 50 && counts[1] > 15, () -> Arrays.toString(counts));
    }

    @Test
    void repeatsItselfWithTheSameSeed() {
        for (long seed = 1; seed <= 20; seed++) {
            assertEquals(Simulation.run(new Seed(seed)), Simulation.run(new Seed(seed)));
        }
        assertNotEquals(
                Simulation.run(new Seed(1)).traceHash(), Simulation.run(new Seed(2)).traceHash());
    }

    @Test
    void namesTheOneCommandThatRepeatsAFailure() {
        assertEquals("./varve test --sim-seed 42", new Seed(42).replayCommand());
    }

    @Test
    void runsAsAModule() {
        assertEquals("dev.varve.fuzz", Simulation.class.getModule().getName());
    }
}
