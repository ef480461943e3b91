// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import java.util.SplittableRandom;
import java.util.random.RandomGenerator;

/**
 * The number that decides everything that happens in a simulation.
 *
 * @param value the number
 */
public record Seed(long value) {
    /**
     * A stream of random numbers for one purpose. Streams of different purposes do not disturb each
     * other: drawing once more for the disk leaves the workload as it was.
     */
    public RandomGenerator stream(String purpose) {
        return new SplittableRandom(value * 0x9E3779B97F4A7C15L + purpose.hashCode());
    }

    /** The one command that runs the same simulation of one disk again. */
    public String replayCommand() {
        return "./varve test --sim-seed " + value;
    }

    /** The one command that runs the same simulation of trees of disks again. */
    public String treeReplayCommand() {
        return "./varve test --test TreeCrashSimulationTest --sim-seed " + value;
    }
}
