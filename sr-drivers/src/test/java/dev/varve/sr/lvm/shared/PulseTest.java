// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.CrashMedium;
import dev.varve.sr.host.Holder;
import dev.varve.sr.lvm.ForwardingMedium;
import dev.varve.sr.spi.Claims.Mode;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Scheduler;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** What keeps the claims of a host alive, and tells it when it has to stop. */
class PulseTest {
    private static final UUID SR = new UUID(5, 5);
    private static final UUID DISK = new UUID(9, 1);
    private static final ClaimSettings SETTINGS = ClaimSettings.shared();
    private static final long FENCE = SETTINGS.fenceNanos();

    private record Task(long due, long number, Runnable work) {}

    /** Does what is due when time passes, also when it passes within something that is done. */
    private final class TestScheduler implements Scheduler {
        private final PriorityQueue<Task> tasks =
                new PriorityQueue<>(
                        Comparator.comparingLong(Task::due).thenComparingLong(Task::number));
        private long number;

        @Override
        public Handle after(long delay, TimeUnit unit, Runnable work) {
            Task task = new Task(time.nanoTime() + unit.toNanos(delay), number++, work);
            tasks.add(task);
            return () -> tasks.remove(task);
        }

        void pass(long nanos) {
            long end = time.nanoTime() + nanos;
            while (!tasks.isEmpty() && tasks.peek().due() <= end) {
                Task task = tasks.poll();
                time.pass(Math.max(0, task.due() - time.nanoTime()));
                task.work().run();
            }
            time.pass(Math.max(0, end - time.nanoTime()));
        }

        @Override
        public void close() {
            tasks.clear();
        }
    }

    /** The way of this host to the device, which may take its time. */
    private static final class Way extends ForwardingMedium {
        private Runnable beforeWrite = () -> {};

        Way(CrashMedium device) {
            super(device);
        }

        @Override
        public void write(long offset, byte[] data) {
            beforeWrite.run();
            next.write(offset, data);
        }
    }

    private final SimulatedTime time = new SimulatedTime();
    private final TestScheduler scheduler = new TestScheduler();
    private final CrashMedium device = new CrashMedium("device", ClaimArea.bytes(3), 512);
    private final Way way = new Way(device);
    private final List<Boolean> told = new ArrayList<>();
    private SharedClaims claims;
    private Ownership ownership;
    private Pulse pulse;

    @BeforeEach
    void begin() {
        ClaimArea.format(device, 0, ClaimArea.bytes(3), new UUID(1, 1), SR);
        claims = attach(1, ClaimArea.open(way, 0));
        ownership = new Ownership(claims);
        claims.onFence(told::add);
        pulse = new Pulse(claims, ownership, scheduler, Runnable::run);
    }

    private SharedClaims attach(int host, ClaimArea area) {
        return SharedClaims.attach(
                area,
                new UUID(3, host),
                new Holder("boot " + host, "pid:[1]", 1, 1),
                SETTINGS,
                time,
                RandomSource.of(new Random(host)),
                time);
    }

    private SharedClaims another() {
        return attach(2, ClaimArea.open(device, 0));
    }

    @Test
    void hostThatBeatsIsNeverFenced() {
        for (int i = 0; i < 100; i++) {
            scheduler.pass(SETTINGS.beatNanos() / 2);
            assertFalse(claims.isFenced());
        }
        assertEquals(List.of(), told);
    }

    /** Whoever waits for the device cannot look at the clock; the watch does. */
    @Test
    void hostWhoseBeatHangsIsToldToStopAndToGoOn() {
        List<List<Boolean>> meanwhile = new ArrayList<>();
        way.beforeWrite =
                () -> {
                    way.beforeWrite = () -> {};
                    scheduler.pass(FENCE + 1);
                    meanwhile.add(List.copyOf(told));
                };
        scheduler.pass(SETTINGS.beatNanos());
        assertEquals(List.of(List.of(true)), meanwhile);
        assertTrue(claims.isFenced(), "the beat that ended began too long ago");
        scheduler.pass(SETTINGS.beatNanos());
        assertFalse(claims.isFenced());
        assertEquals(List.of(true, false), told);
    }

    @Test
    void hostWhoseDeviceFailsStopsAndGoesOnWhenItIsBack() {
        device.setBroken(true);
        scheduler.pass(FENCE + SETTINGS.beatNanos());
        assertTrue(claims.isFenced());
        assertEquals(List.of(true), told);
        device.setBroken(false);
        scheduler.pass(SETTINGS.beatNanos());
        assertFalse(claims.isFenced());
        assertEquals(List.of(true, false), told);
    }

    /** It stands still for longer than a term, and is put out meanwhile. */
    @Test
    void hostThatIsOutIsToldAndDoesNothingMore() {
        SharedClaims other = another();
        claims.acquire(DISK, Mode.WRITE);
        time.meanwhile(other::beat);
        other.force(new UUID(3, 1));
        other.acquire(DISK, Mode.WRITE);
        assertTrue(claims.isFenced(), "it has not noticed yet, but its clock went on");
        scheduler.pass(SETTINGS.beatNanos());
        assertTrue(claims.isLost());
        assertTrue(told.getLast());
        scheduler.pass(2 * SETTINGS.termNanos());
        assertTrue(scheduler.tasks.isEmpty(), "it goes on");
    }

    /** The owner looks for requests while somebody may ask, and not otherwise. */
    @Test
    void ownerAnswersOthersAndLooksForNothingWhileThereAreNone() {
        ownership.serve(request -> new byte[] {(byte) (request[0] + 1)});
        claims.acquire(SR, Mode.WRITE);
        int quiet = scheduler.tasks.size();
        Ownership asking = new Ownership(another());
        scheduler.pass(SETTINGS.beatNanos());
        assertEquals(quiet + 1, scheduler.tasks.size(), "it does not look for requests");
        time.meanwhile(() -> scheduler.pass(0));
        assertEquals(8, asking.ask(new byte[] {7})[0]);
    }

    @Test
    void nothingIsDoneAfterItWasClosed() {
        pulse.close();
        way.beforeWrite =
                () -> {
                    throw new AssertionError("it beats");
                };
        scheduler.pass(3 * SETTINGS.beatNanos());
        assertTrue(scheduler.tasks.stream().allMatch(task -> task.due() > time.nanoTime()));
    }
}
