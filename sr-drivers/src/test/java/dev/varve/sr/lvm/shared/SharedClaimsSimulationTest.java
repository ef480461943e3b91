// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.lvm.ForwardingMedium;

import org.junit.jupiter.api.Test;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
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
        return simulate(
                seed, new SharedHost.Habits(reservations, forces, heedless, (medium, _) -> medium));
    }

    private static SharedModel simulate(long seed, SharedHost.Habits habits) {
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
            new SharedHost(world, device, model, i, HOSTS, 0, habits).start();
        }
        try {
            world.run(STEPS, model::check);
        } catch (RuntimeException | AssertionError e) {
            throw new AssertionError("seed %d, %s".formatted(seed, habits), e);
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

    // ---- what must not go well, and is found

    private static void assertFound(SharedHost.Habits habits) {
        AssertionError failure =
                assertThrows(
                        AssertionError.class,
                        () -> {
                            for (int seed = 0; seed < SEEDS; seed++) {
                                simulate(FIRST + seed, habits);
                            }
                        });
        assertTrue(failure.getCause().getMessage().contains("beside"), failure.toString());
    }

    /** Hosts that go by claims that they have lost. */
    @Test
    void findsHostsThatDoNotStop() {
        assertFound(new SharedHost.Habits(false, true, true, (medium, _) -> medium));
    }

    /** Hosts that take others for dead without looking whether they say that they live. */
    @Test
    void findsHostsThatDoNotLookAtTheBeatsOfOthers() {
        assertFound(new SharedHost.Habits(false, true, false, (medium, _) -> new Deaf(medium)));
    }

    /** Hosts that go by what they saw before they wrote, as those with a cache would. */
    @Test
    void findsHostsThatLookBeforeTheyWrite() {
        assertFound(new SharedHost.Habits(false, false, false, Late::new));
    }

    /** Changes what is read of the records of hosts. */
    private abstract static class Sight extends ForwardingMedium {
        private static final int UNIT = 4096;

        Sight(BlockMedium next) {
            super(next);
        }

        /** What a host sees of a record, or of a place where none has ever been. */
        abstract byte[] seen(long at, byte[] block);

        @Override
        public byte[] read(long offset, int length) {
            byte[] bytes = next.read(offset, length);
            long end = (HOSTS + 2L) * UNIT;
            for (int done = 0; offset % UNIT == 0 && done < length; done += UNIT) {
                if (offset + done >= UNIT && offset + done < end) {
                    int part = Math.min(UNIT, length - done);
                    byte[] block = Arrays.copyOfRange(bytes, done, done + part);
                    System.arraycopy(seen(offset + done, block), 0, bytes, done, part);
                }
            }
            return bytes;
        }

        static Optional<HostRecord> record(byte[] block) {
            byte[] sector = Arrays.copyOf(block, Wire.SECTOR);
            return Wire.isZero(sector) ? Optional.empty() : HostRecord.parse(sector, SharedHost.SR);
        }
    }

    /** All hosts seem to be silent. */
    private static final class Deaf extends Sight {
        Deaf(BlockMedium next) {
            super(next);
        }

        @Override
        byte[] seen(long at, byte[] block) {
            return record(block)
                    .map(record -> Arrays.copyOf(silent(record).encode(), block.length))
                    .orElse(block);
        }

        private static HostRecord silent(HostRecord record) {
            return new HostRecord(
                    record.sr(),
                    record.host(),
                    record.holder(),
                    record.incarnation(),
                    0,
                    record.taken(),
                    record.table(),
                    record.lastEpoch(),
                    record.key(),
                    record.request(),
                    record.answered());
        }
    }

    /** Others are seen as they were the last time. */
    private static final class Late extends Sight {
        private final UUID host;
        private final Map<Long, byte[]> last = new HashMap<>();

        Late(BlockMedium next, UUID host) {
            super(next);
            this.host = host;
        }

        @Override
        byte[] seen(long at, byte[] block) {
            boolean own = record(block).map(HostRecord::host).filter(host::equals).isPresent();
            byte[] before = last.put(at, block);
            return own || before == null || before.length != block.length ? block : before;
        }
    }
}
