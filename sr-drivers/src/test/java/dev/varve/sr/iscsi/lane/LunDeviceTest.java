// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.iscsi.ChapSecrets;
import dev.varve.sr.iscsi.IscsiName;
import dev.varve.sr.iscsi.Isid;
import dev.varve.sr.iscsi.Negotiated;
import dev.varve.sr.iscsi.Portal;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Waiting;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;

/** What becomes of requests, against a target that does what each test wants. */
@Timeout(60)
class LunDeviceTest {
    private static final int BLOCK = FakeTarget.BLOCK;
    private static final LunShape SHAPE =
            new LunShape(FakeTarget.BLOCKS, BLOCK, 4096, true, 128 << 10, 1024, 1024, true, true);

    private static LunSettings quick() {
        long ms = 1_000_000;
        return new LunSettings(
                64, 3000 * ms, 20 * ms, 100 * ms, 600 * ms, 600 * ms, 700 * ms, 700 * ms, 0);
    }

    /** Where it is not about time, a busy machine must not make it so. */
    private static LunSettings patient() {
        LunSettings usual = LunSettings.DEFAULT;
        return new LunSettings(
                64,
                usual.loginNanos(),
                quick().retryNanos(),
                quick().longestRetryNanos(),
                usual.commandNanos(),
                usual.abortNanos(),
                usual.quietNanos(),
                usual.deadNanos(),
                0);
    }

    static LunDevice device(FakeTarget target, List<Portal> portals, LunSettings settings) {
        SessionSpec spec =
                SessionSpec.of(
                        new IscsiName("iqn.2001-04.com.example:host"),
                        new IscsiName("iqn.2001-04.com.example:storage"),
                        new Isid(0x123456, 0),
                        portals.getFirst(),
                        ChapSecrets.NONE);
        return new LunDevice(
                spec, portals, 1, SHAPE, settings, target, Clock.system(), Waiting.threads());
    }

    private static IoStatus end(CompletableFuture<IoStatus> done) throws Exception {
        return done.get(20, TimeUnit.SECONDS);
    }

    private static void await(BooleanSupplier condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < end, "what was waited for does not happen");
            Thread.onSpinWait();
        }
    }

    private static byte[] bytes(int blocks, long seed) {
        byte[] data = new byte[blocks * BLOCK];
        new Random(seed).nextBytes(data);
        return data;
    }

    /** Target, lane and device, closed together. */
    private static final class Bench implements AutoCloseable {
        final FakeTarget target;
        final RunningLane lane;
        final LunDevice device;

        Bench(Negotiated negotiated, int portals, LunSettings settings) throws Exception {
            this(negotiated, portals, settings, true);
        }

        Bench(Negotiated negotiated, int portals, LunSettings settings, boolean uring)
                throws Exception {
            target = new FakeTarget(negotiated, portals);
            lane = new RunningLane(uring);
            device = device(target, target.portals(), settings);
        }

        CompletableFuture<IoStatus> write(long block, byte[] data) {
            return lane.write(device, block * BLOCK, data, 0);
        }

        CompletableFuture<IoStatus> run(BlockOp op, int flags, long block, long blocks) {
            return lane.start(device, op, flags, block * BLOCK, blocks * BLOCK, null);
        }

        byte[] read(long block, int blocks) throws Exception {
            return lane.read(device, block * BLOCK, blocks * BLOCK);
        }

        List<FakeTarget.Seen> changes() {
            synchronized (target.seen) {
                return target.seen.stream().filter(FakeTarget.Seen::changes).toList();
            }
        }

        @Override
        public void close() throws IOException {
            device.close();
            lane.close();
            target.close();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "false, true, true, 8192, 65536, true", "true, true, true, 8192, 65536, true",
        "false, false, true, 4096, 16384, true", "true, false, false, 1024, 8192, true",
        "false, true, false, 16384, 32768, false", "true, false, true, 512, 4096, false"
    })
    void whatIsWrittenIsReadInAllShapesOfASession(
            boolean digests,
            boolean initialR2t,
            boolean immediate,
            int send,
            int burst,
            boolean uring)
            throws Exception {
        Negotiated negotiated =
                FakeTarget.negotiated(digests, initialR2t, immediate, send, burst, 1);
        try (Bench bench = new Bench(negotiated, 2, patient(), uring)) {
            Random random = new Random(send);
            byte[] model = new byte[FakeTarget.BLOCKS * BLOCK];
            for (int round = 0; round < 8; round++) {
                bench.target.pieceBytes = 512 << random.nextInt(8);
                bench.target.window = 1 + random.nextInt(40);
                List<CompletableFuture<IoStatus>> all = new ArrayList<>();
                for (int i = 0; i < 32; i++) {
                    int blocks = 1 + random.nextInt(i % 8 == 0 ? 256 : 16);
                    int at = i * 256 + random.nextInt(256 - Math.min(255, blocks));
                    blocks = Math.min(blocks, (i + 1) * 256 - at);
                    byte[] data = bytes(blocks, random.nextLong());
                    System.arraycopy(data, 0, model, at * BLOCK, data.length);
                    all.add(bench.write(at, data));
                }
                for (CompletableFuture<IoStatus> one : all) {
                    assertEquals(IoStatus.OK, end(one));
                }
                for (int at = 0; at < FakeTarget.BLOCKS; at += 1024) {
                    byte[] expected = Arrays.copyOfRange(model, at * BLOCK, (at + 1024) * BLOCK);
                    assertArrayEquals(expected, bench.read(at, 1024));
                }
            }
            assertArrayEquals(model, bench.target.disk);
            assertEquals(
                    2,
                    bench.target.logins.size(),
                    () -> "no session breaks: " + bench.device.paths() + bench.target.trouble);
        }
    }

    @Test
    void flushesForcedWritesZerosAndDiscardsSayWhatTheyMean() throws Exception {
        try (Bench bench = new Bench(FakeTarget.plain(), 1, patient())) {
            byte[] data = bytes(4, 1);
            assertEquals(
                    IoStatus.OK, end(bench.lane.write(bench.device, 0, data, BlockRequest.FUA)));
            assertEquals(IoStatus.OK, end(bench.run(BlockOp.FLUSH, 0, 0, 0)));
            assertEquals(IoStatus.OK, end(bench.run(BlockOp.DISCARD, 0, 8, 2000)));
            assertEquals(IoStatus.OK, end(bench.run(BlockOp.WRITE_ZEROES, BlockRequest.FUA, 1, 3)));
            List<FakeTarget.Seen> io =
                    bench.target.seen.stream().filter(s -> s.operation() > 0x12).toList();
            List<Integer> operations = io.stream().map(FakeTarget.Seen::operation).toList();
            // READ CAPACITY, WRITE, SYNCHRONIZE CACHE, UNMAP twice, WRITE SAME, SYNCHRONIZE CACHE
            assertEquals(List.of(0x9E, 0x8A, 0x91, 0x42, 0x42, 0x93, 0x91), operations);
            assertTrue(io.get(1).force());
            assertTrue(io.get(5).force(), "WRITE SAME may unmap: the unit reads as zero then");
            assertArrayEquals(new byte[3 * BLOCK], bench.read(1, 3));
        }
    }

    @Test
    void aUnitWithoutWriteSameGetsZeros() throws Exception {
        try (Bench bench = new Bench(FakeTarget.plain(), 1, patient())) {
            assertEquals(IoStatus.OK, end(bench.write(0, bytes(256, 2))));
            bench.target.script =
                    seen ->
                            seen.operation() == 0x93
                                    ? new FakeTarget.Reply.Say(2, 5, 0x2000)
                                    : new FakeTarget.Reply.Do();
            assertEquals(IoStatus.OK, end(bench.run(BlockOp.WRITE_ZEROES, 0, 0, 1000)));
            assertArrayEquals(new byte[1000 * BLOCK], bench.read(0, 1000));
            assertEquals(0, bench.device.shape().writeSameBlocks());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "2, 3, 1100, IO_ERROR, 1", "2, 4, 4400, IO_ERROR, 1", "2, 7, 2700, READ_ONLY, 1",
        "2, 7, 2707, NO_SPACE, 1", "2, 5, 2100, INVALID, 1", "18, 0, 0, IO_ERROR, 1",
        "2, 5, 2500, IO_ERROR, 1", "2, B, 4705, IO_ERROR, 6", "40, 0, 0, IO_ERROR, 6"
    })
    void whatFailsFailsWithItsReason(
            String status, String key, String code, IoStatus expected, int times) throws Exception {
        try (Bench bench = new Bench(FakeTarget.plain(), 1, patient())) {
            bench.target.script =
                    seen ->
                            new FakeTarget.Reply.Say(
                                    Integer.parseInt(status, 16),
                                    Integer.parseInt(key, 16),
                                    Integer.parseInt(code, 16));
            assertEquals(expected, end(bench.write(0, bytes(1, 3))));
            assertEquals(times, bench.changes().size());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "2, 6, 2900, true",
        "2, 6, 2A01, false",
        "8, 0, 0, false",
        "28, 0, 0, false",
        "2, 2, 0401, false",
        "2, B, 0000, false"
    })
    void whatWasNotCarriedOutIsTriedAgain(String status, String key, String code, boolean loss)
            throws Exception {
        try (Bench bench = new Bench(FakeTarget.plain(), 1, patient())) {
            bench.read(0, 1);
            long before = bench.device.lossEpoch();
            AtomicInteger left = new AtomicInteger(3);
            bench.target.script =
                    seen ->
                            left.getAndDecrement() > 0
                                    ? new FakeTarget.Reply.Say(
                                            Integer.parseInt(status, 16),
                                            Integer.parseInt(key, 16),
                                            Integer.parseInt(code, 16))
                                    : new FakeTarget.Reply.Do();
            byte[] data = bytes(3, 4);
            assertEquals(IoStatus.OK, end(bench.write(5, data)));
            assertArrayEquals(data, bench.read(5, 3));
            assertEquals(loss, bench.device.lossEpoch() != before);
        }
    }

    @Test
    void aUnitThatGrewHasItsNewSize() throws Exception {
        try (Bench bench = new Bench(FakeTarget.plain(), 1, patient())) {
            bench.read(0, 1);
            bench.target.blocks = 2 * FakeTarget.BLOCKS;
            AtomicInteger left = new AtomicInteger(1);
            bench.target.script =
                    seen ->
                            left.getAndDecrement() > 0
                                    ? new FakeTarget.Reply.Say(2, 6, 0x2A09)
                                    : new FakeTarget.Reply.Do();
            bench.read(0, 1);
            long grown = 2L * FakeTarget.BLOCKS * BLOCK;
            await(() -> bench.device.geometry().sizeBytes() == grown);
        }
    }

    @Test
    void aCommandThatTakesTooLongIsAbortedAndSentAgain() throws Exception {
        try (Bench bench = new Bench(FakeTarget.plain(), 1, quick())) {
            AtomicInteger left = new AtomicInteger(2);
            bench.target.script =
                    seen ->
                            left.getAndDecrement() > 0
                                    ? new FakeTarget.Reply.Keep()
                                    : new FakeTarget.Reply.Do();
            byte[] data = bytes(40, 5);
            assertEquals(IoStatus.OK, end(bench.write(0, data)));
            assertEquals(2, bench.target.aborted.size());
            assertEquals(3, bench.changes().size());
            assertEquals(1, bench.target.logins.size(), "the session stays");
        }
    }

    @Test
    void damagedDataBreakTheSessionAndAreReadAgain() throws Exception {
        Negotiated digests = FakeTarget.negotiated(true, true, true, 8192, 65536, 1);
        try (Bench bench = new Bench(digests, 1, patient())) {
            byte[] data = bytes(300, 6);
            assertEquals(IoStatus.OK, end(bench.write(0, data)));
            AtomicInteger left = new AtomicInteger(2);
            bench.target.script =
                    seen ->
                            left.getAndDecrement() > 0
                                    ? new FakeTarget.Reply.Spoil()
                                    : new FakeTarget.Reply.Do();
            assertArrayEquals(data, bench.read(0, 300));
            PathHealth health = bench.device.paths().getFirst();
            assertTrue(health.lastError().contains("digest is wrong"), health.lastError());
            assertNotEquals(0, health.errors());
        }
    }

    @Test
    void aLostConnectionLosesNothingAndCountsAsAPossibleLoss() throws Exception {
        try (Bench bench = new Bench(FakeTarget.plain(), 1, patient())) {
            AtomicInteger count = new AtomicInteger();
            bench.target.script =
                    seen ->
                            count.incrementAndGet() % 7 == 0
                                    ? new FakeTarget.Reply.Cut()
                                    : new FakeTarget.Reply.Do();
            bench.read(0, 1);
            long before = bench.device.lossEpoch();
            byte[] model = new byte[64 * BLOCK];
            List<CompletableFuture<IoStatus>> all = new ArrayList<>();
            for (int i = 0; i < 64; i++) {
                byte[] data = bytes(1, i);
                System.arraycopy(data, 0, model, i * BLOCK, BLOCK);
                all.add(bench.write(i, data));
            }
            for (CompletableFuture<IoStatus> one : all) {
                assertEquals(IoStatus.OK, end(one));
            }
            assertTrue(bench.device.lossEpoch() > before);
            bench.target.script = seen -> new FakeTarget.Reply.Do();
            assertArrayEquals(model, bench.read(0, 64));
        }
    }

    /** The first portal goes away with a write in hand; the second one stays. */
    private void doubt(int group, boolean rescued) throws Exception {
        Negotiated negotiated = FakeTarget.negotiated(false, true, true, 8192, 65536, group);
        try (Bench bench = new Bench(negotiated, 2, patient())) {
            bench.read(0, 1);
            await(() -> bench.device.paths().stream().allMatch(p -> p.state() == PathState.UP));
            CountDownLatch kept = new CountDownLatch(1);
            AtomicInteger left = new AtomicInteger(1);
            long[] holder = new long[1];
            bench.target.script =
                    seen -> {
                        if (seen.changes() && left.getAndDecrement() > 0) {
                            holder[0] = seen.isid();
                            kept.countDown();
                            return new FakeTarget.Reply.Keep();
                        }
                        return new FakeTarget.Reply.Do();
                    };
            byte[] first = bytes(8, 7);
            byte[] second = bytes(4, 8);
            CompletableFuture<IoStatus> one = bench.write(100, first);
            assertTrue(kept.await(10, TimeUnit.SECONDS));
            FakeTarget.Connection old =
                    bench.target.connections.stream()
                            .filter(c -> c.isid == holder[0])
                            .findFirst()
                            .orElseThrow();
            int index = bench.target.connections.indexOf(old);
            Portal portal = bench.target.logins.get(index);
            bench.target.close(portal, true);
            int loginsBefore = bench.target.logins.size();
            old.cut();
            await(() -> bench.device.paths().stream().anyMatch(p -> p.state() != PathState.UP));
            CompletableFuture<IoStatus> overlapping = bench.write(104, second);
            assertEquals(IoStatus.OK, end(bench.write(300, bytes(1, 9))), "others go on");
            bench.read(100, 8);
            if (rescued) {
                assertEquals(IoStatus.OK, end(one));
                assertEquals(IoStatus.OK, end(overlapping));
                assertTrue(bench.target.logins.size() > loginsBefore);
            } else {
                bench.read(0, 8);
                assertFalse(one.isDone());
                assertFalse(overlapping.isDone());
                assertEquals(
                        0,
                        bench.changes().stream().skip(1).filter(s -> s.block() < 200).count(),
                        "nothing that overlaps is sent while the old nexus may live");
                assertFalse(old.ended);
                bench.target.close(portal, false);
                assertEquals(IoStatus.OK, end(one));
                assertEquals(IoStatus.OK, end(overlapping));
            }
            assertTrue(old.ended, "the old nexus had ended before");
            List<Long> order =
                    bench.changes().stream()
                            .map(FakeTarget.Seen::block)
                            .filter(b -> b < 200)
                            .toList();
            assertEquals(List.of(100L, 100L, 104L), order);
        }
    }

    @Test
    void aWriteInDoubtOfOneLaneHoldsWhatOverlapsItInAnother() throws Exception {
        Negotiated negotiated = FakeTarget.negotiated(false, true, true, 8192, 65536, -1);
        try (Bench bench = new Bench(negotiated, 1, patient());
                RunningLane other = new RunningLane(false)) {
            bench.read(0, 1);
            other.read(bench.device, 0, BLOCK);
            CountDownLatch kept = new CountDownLatch(1);
            AtomicInteger left = new AtomicInteger(1);
            long[] holder = new long[1];
            bench.target.script =
                    seen -> {
                        if (seen.changes() && left.getAndDecrement() > 0) {
                            holder[0] = seen.isid();
                            kept.countDown();
                            return new FakeTarget.Reply.Keep();
                        }
                        return new FakeTarget.Reply.Do();
                    };
            CompletableFuture<IoStatus> one = bench.write(100, bytes(8, 7));
            assertTrue(kept.await(10, TimeUnit.SECONDS));
            FakeTarget.Connection old =
                    bench.target.connections.stream()
                            .filter(c -> c.isid == holder[0])
                            .findFirst()
                            .orElseThrow();
            Portal portal = bench.target.portals().getFirst();
            bench.target.close(portal, true);
            old.cut();
            await(() -> bench.device.paths().stream().anyMatch(p -> p.state() != PathState.UP));
            CompletableFuture<IoStatus> overlapping =
                    other.write(bench.device, 104L * BLOCK, bytes(4, 8), 0);
            CompletableFuture<IoStatus> apart =
                    other.write(bench.device, 300L * BLOCK, bytes(1, 9), 0);
            assertEquals(IoStatus.OK, end(apart), "the other lane goes on");
            assertFalse(one.isDone());
            assertFalse(overlapping.isDone());
            assertEquals(
                    List.of(100L, 300L),
                    bench.changes().stream().map(FakeTarget.Seen::block).toList(),
                    "nothing that overlaps is sent while the old nexus may live");
            assertFalse(old.ended);
            bench.target.close(portal, false);
            assertEquals(IoStatus.OK, end(one));
            assertEquals(IoStatus.OK, end(overlapping));
            assertTrue(old.ended, "the old nexus had ended before");
            bench.device.close(); // while the other lane still runs
        }
    }

    @Test
    void aWriteInDoubtWaitsForItsPortalAndSoDoesWhatOverlaps() throws Exception {
        doubt(-1, false);
    }

    @Test
    void aLoginAtAnotherPortalOfTheGroupEndsTheOldNexus() throws Exception {
        doubt(1, true);
    }

    @Test
    void whileNoPortalAnswersRequestsWait() throws Exception {
        try (Bench bench = new Bench(FakeTarget.plain(), 2, patient())) {
            byte[] data = bytes(2, 10);
            assertEquals(IoStatus.OK, end(bench.write(0, data)));
            bench.target.portals().forEach(p -> bench.target.close(p, true));
            bench.target.cutAll();
            CompletableFuture<IoStatus> write = bench.write(2, data);
            await(() -> bench.device.paths().stream().allMatch(p -> p.errors() > 3));
            assertFalse(write.isDone());
            bench.target.portals().forEach(p -> bench.target.close(p, false));
            assertEquals(IoStatus.OK, end(write));
            assertArrayEquals(data, bench.read(2, 2));
        }
    }

    @Test
    void afterTheirTimeRequestsFailUntilAPortalIsBack() throws Exception {
        LunSettings settings = quick().holding(TimeUnit.MILLISECONDS.toNanos(400));
        try (Bench bench = new Bench(FakeTarget.plain(), 1, settings)) {
            byte[] data = bytes(2, 11);
            assertEquals(IoStatus.OK, end(bench.write(0, data)));
            CountDownLatch kept = new CountDownLatch(1);
            bench.target.script =
                    seen -> {
                        kept.countDown();
                        return new FakeTarget.Reply.Keep();
                    };
            CompletableFuture<IoStatus> inDoubt = bench.write(2, data);
            assertTrue(kept.await(10, TimeUnit.SECONDS));
            bench.target.portals().forEach(p -> bench.target.close(p, true));
            bench.target.cutAll();
            CompletableFuture<IoStatus> held = bench.write(8, data);
            assertEquals(IoStatus.TIMED_OUT, end(held));
            assertEquals(IoStatus.TIMED_OUT, end(inDoubt));
            assertEquals(IoStatus.TIMED_OUT, end(bench.write(8, data)));
            bench.target.script = seen -> new FakeTarget.Reply.Do();
            bench.target.portals().forEach(p -> bench.target.close(p, false));
            await(() -> bench.device.paths().getFirst().state() == PathState.UP);
            assertEquals(IoStatus.OK, end(bench.write(2, data)));
        }
    }

    @Test
    void anotherUnitAtTheSamePlaceIsNotUsed() throws Exception {
        try (Bench bench = new Bench(FakeTarget.plain(), 1, patient())) {
            assertEquals(IoStatus.OK, end(bench.write(0, bytes(1, 12))));
            bench.target.serial = 2;
            bench.target.cutAll();
            CompletableFuture<IoStatus> write = bench.write(1, bytes(1, 13));
            await(() -> bench.device.paths().getFirst().state() == PathState.WRONG_UNIT);
            assertFalse(write.isDone());
            assertEquals(1, bench.changes().size());
            bench.target.serial = 1;
            assertEquals(IoStatus.OK, end(write));
        }
    }

    @Test
    void aTargetThatIsSilentIsLeftAfterAWhile() throws Exception {
        try (Bench bench = new Bench(FakeTarget.plain(), 1, quick())) {
            bench.read(0, 1);
            assertEquals(IoStatus.OK, end(bench.run(BlockOp.FLUSH, 0, 0, 0)));
            CountDownLatch go = new CountDownLatch(1);
            bench.target.script =
                    seen -> {
                        try {
                            go.await();
                        } catch (InterruptedException e) {
                            throw new AssertionError(e);
                        }
                        return new FakeTarget.Reply.Keep();
                    };
            CompletableFuture<IoStatus> write = bench.write(0, bytes(1, 14));
            await(() -> bench.device.paths().getFirst().errors() > 0);
            bench.target.script = seen -> new FakeTarget.Reply.Do();
            go.countDown();
            assertEquals(IoStatus.OK, end(write));
        }
    }
}
