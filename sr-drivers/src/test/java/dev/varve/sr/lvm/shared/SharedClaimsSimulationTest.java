// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * Hosts that pause, crash and start again between any two steps, on a device whose writes are torn
 * and fail now and then: two of them never have a disk, the metadata or the whole repository at
 * once where one excludes the other, and no request is carried out twice, or answered without being
 * carried out.
 */
class SharedClaimsSimulationTest {
    private static final int HOSTS = 4;
    private static final int SEEDS = Integer.getInteger("varve.claims.seeds", 16);
    private static final long FIRST = Long.getLong("varve.claims.first", 1);
    private static final int STEPS = 10_000;
    private static final ClaimSettings SETTINGS =
            new ClaimSettings(
                    TimeUnit.SECONDS.toNanos(3),
                    TimeUnit.MILLISECONDS.toNanos(200),
                    TimeUnit.MILLISECONDS.toNanos(200),
                    TimeUnit.SECONDS.toNanos(2),
                    TimeUnit.SECONDS.toNanos(4),
                    TimeUnit.MILLISECONDS.toNanos(5),
                    TimeUnit.MILLISECONDS.toNanos(40));

    private static SharedModel simulate(
            long seed, boolean reservations, boolean forces, boolean heedless) {
        SharedWorld world = new SharedWorld(seed, SETTINGS);
        SharedModel model = new SharedModel();
        SharedMedium.Device device = new SharedMedium.Device(ClaimArea.bytes(HOSTS + 1));
        ClaimArea.format(
                new SharedMedium(world, device),
                0,
                device.bytes.length,
                new UUID(1, 1),
                SharedHost.SR);
        for (int i = 0; i < HOSTS; i++) {
            SharedHost.Habits habits = new SharedHost.Habits(reservations, forces, heedless);
            new SharedHost(world, device, model, i, HOSTS, 0, habits).start();
        }
        try {
            world.run(STEPS, model::check);
        } catch (RuntimeException | AssertionError e) {
            throw new AssertionError(
                    "seed %d, reservations %s, forced %s".formatted(seed, reservations, forces), e);
        }
        return model;
    }

    @Test
    void oneAtATimeHowever() {
        int claimed = 0;
        int alone = 0;
        int answered = 0;
        int unanswered = 0;
        int forced = 0;
        int restarts = 0;
        for (int seed = 0; seed < SEEDS; seed++) {
            SharedModel model = simulate(FIRST + seed, seed % 2 == 1, seed % 4 > 1, false);
            claimed += model.claimed;
            alone += model.aloneTimes;
            answered += model.answered;
            unanswered += model.unanswered;
            forced += model.forced;
            restarts += model.restarts;
        }
        // A test in which nothing happens proves nothing.
        assertTrue(claimed > 10 * SEEDS, "claimed " + claimed);
        assertTrue(alone > SEEDS, "alone " + alone);
        assertTrue(answered > 5 * SEEDS, "answered " + answered);
        assertTrue(unanswered > 0, "unanswered " + unanswered);
        assertTrue(forced >= SEEDS / 4, "forced " + forced);
        assertTrue(restarts > 5 * SEEDS, "restarts " + restarts);
    }

    /** The simulation finds two hosts with one disk when hosts go by claims that they have lost. */
    @Test
    void findsHostsThatDoNotStop() {
        AssertionError failure =
                assertThrows(
                        AssertionError.class,
                        () -> {
                            for (int seed = 0; seed < SEEDS; seed++) {
                                simulate(FIRST + seed, false, true, true);
                            }
                        });
        assertTrue(failure.getCause().getMessage().contains("beside"), failure.toString());
    }
}
