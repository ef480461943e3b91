// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.block.MemoryDevice;
import dev.varve.vdi.block.RawFileDevice;
import dev.varve.vdi.block.TestLane;
import dev.varve.vdi.io.IoFile;
import dev.varve.vdi.time.Clock;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

@Timeout(60)
class LaneTest {
    @TempDir Path directory;

    /** Eight threads publish into a ring of eight slots while the lane stands still for a time. */
    @Test
    void aFullRingMakesProducersWaitAndLosesNothing() throws InterruptedException {
        TestLane lane = new TestLane(8);
        AtomicInteger ran = new AtomicInteger();
        AtomicInteger published = new AtomicInteger();
        List<Thread> producers = new ArrayList<>();
        for (int p = 0; p < 8; p++) {
            producers.add(
                    Thread.ofPlatform()
                            .start(
                                    () -> {
                                        for (int i = 0; i < 1000; i++) {
                                            lane.lane().execute(ran::incrementAndGet);
                                            published.incrementAndGet();
                                        }
                                    }));
        }
        while (published.get() < 8) {
            Thread.onSpinWait();
        }
        assertEquals(8, published.get(), "nobody gets past a full ring");
        assertEquals(0, ran.get());
        while (ran.get() < 8000) {
            lane.lane().doWork();
        }
        for (Thread producer : producers) {
            producer.join();
        }
        assertEquals(8000, ran.get());
        assertTrue(lane.wakes() >= 8000);
    }

    @Test
    void aTimerThatIsForgottenLeavesNothingBehind() {
        TestLane lane = new TestLane(2);
        List<String> ran = new ArrayList<>();
        LaneTimer forgotten = new LaneTimer(() -> ran.add("forgotten"));
        LaneTimer kept = new LaneTimer(() -> ran.add("kept"));
        lane.lane().schedule(forgotten, 0);
        lane.lane().forget(forgotten);
        assertEquals(Long.MAX_VALUE, lane.lane().nextTimerNanos());
        lane.lane().forget(forgotten);
        lane.lane().schedule(kept, 0);
        lane.lane().schedule(forgotten, 0);
        lane.lane().forget(kept);
        lane.lane().schedule(kept, 0);
        lane.pump();
        assertEquals(List.of("forgotten", "kept"), ran.stream().sorted().toList());
    }

    @Test
    void theLaneItselfNeverWaitsForItsRing() {
        TestLane lane = new TestLane(2);
        List<Integer> ran = new ArrayList<>();
        lane.lane()
                .execute(
                        () -> {
                            for (int i = 0; i < 100; i++) {
                                int number = i;
                                lane.lane().execute(() -> ran.add(number));
                            }
                        });
        lane.pump();
        assertEquals(100, ran.size());
        assertEquals(99, ran.getLast());
    }

    /** The list of tasks was left as it was when one threw, and all ran again in the next turn. */
    @Test
    void aTaskThatThrowsIsReportedAndTheOthersRunOnce() {
        TestLane lane = new TestLane();
        List<Integer> ran = new ArrayList<>();
        RuntimeException defect = new IllegalStateException("a defect");
        lane.lane().atEndOfTurn(() -> ran.add(1));
        lane.lane()
                .atEndOfTurn(
                        () -> {
                            throw defect;
                        });
        lane.lane().atEndOfTurn(() -> ran.add(2));
        lane.pump();
        lane.lane().atEndOfTurn(() -> ran.add(3));
        lane.pump();
        assertEquals(List.of(1, 2, 3), ran);
        assertEquals(List.of(defect), lane.trouble());
        lane.lane()
                .execute(
                        () -> {
                            throw defect;
                        });
        lane.lane().execute(() -> ran.add(4));
        lane.pump();
        assertEquals(List.of(1, 2, 3, 4), ran);
        assertEquals(2, lane.trouble().size());
    }

    @Test
    void tasksThatAddTasksForEverDoNotHoldUpTheRing() {
        TestLane lane = new TestLane();
        boolean[] stop = new boolean[1];
        Runnable[] again = new Runnable[1];
        again[0] =
                () -> {
                    if (!stop[0]) {
                        lane.lane().atEndOfTurn(again[0]);
                    }
                };
        again[0].run();
        lane.lane().doWork();
        lane.lane().execute(() -> stop[0] = true);
        lane.pump();
        assertTrue(stop[0]);
    }

    @Test
    void requestsFromOtherThreadsAreCopiedOutOfTheRing() {
        TestLane lane = new TestLane(2);
        MemoryDevice device = new MemoryDevice(new Geometry(4096, 512, 512, 1));
        MemorySegment memory = Arena.ofAuto().allocate(512);
        List<IoStatus> ended = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            lane.lane()
                    .submit(
                            device,
                            BlockOp.WRITE,
                            0,
                            512L * i,
                            512,
                            memory,
                            0,
                            request -> {
                                ended.add(request.status);
                                request.context.release(request);
                            });
            lane.pump();
        }
        assertEquals(8, ended.stream().filter(status -> status == IoStatus.OK).count());
        assertEquals(2, ended.stream().filter(status -> status == IoStatus.INVALID).count());
        device.close();
    }

    @Test
    void aPoolWakesThoseWhoWaitAtTheEndOfTheTurn() {
        TestLane lane = new TestLane();
        RequestPool pool = new RequestPool(lane.lane(), 2);
        BlockRequest first = pool.tryAcquire();
        BlockRequest second = pool.tryAcquire();
        assertNull(pool.tryAcquire());
        assertEquals(2, pool.inUse());
        List<String> woken = new ArrayList<>();
        pool.whenFree(() -> woken.add("a"));
        pool.whenFree(
                () -> {
                    woken.add("b");
                    pool.whenFree(() -> woken.add("b again"));
                });
        pool.release(first);
        assertEquals(List.of(), woken);
        lane.pump();
        assertEquals(List.of("a", "b"), woken);
        pool.release(second);
        lane.pump();
        assertEquals(List.of("a", "b", "b again"), woken);
        assertEquals(0, pool.inUse());
        assertThrows(IllegalStateException.class, () -> pool.release(second));
    }

    /** Two who get a request and no memory each woke the other, and the turn never ended. */
    @Test
    void aRequestThatIsPutBackWakesNobody() {
        TestLane lane = new TestLane();
        RequestPool pool = new RequestPool(lane.lane(), 2);
        int[] tries = new int[1];
        Runnable[] attempt = new Runnable[1];
        attempt[0] =
                () -> {
                    tries[0]++;
                    pool.putBack(pool.tryAcquire());
                    pool.whenFree(attempt[0]);
                };
        attempt[0].run();
        attempt[0].run();
        lane.pump();
        assertEquals(2, tries[0]);
        BlockRequest request = pool.tryAcquire();
        pool.release(request);
        lane.pump();
        assertEquals(4, tries[0]);
        assertSame(request, pool.tryAcquire());
    }

    /** More operations than the rings of the kernel hold, all at once. */
    @ParameterizedTest
    @EnumSource(
            value = EngineContext.Backend.class,
            names = {"IO_URING", "POOL"})
    void takesMoreOperationsThanARingHolds(EngineContext.Backend backend) throws Exception {
        Throwable[] trouble = new Throwable[1];
        Path path = directory.resolve("file");
        int count = 5000;
        try (RandomAccessFile file = new RandomAccessFile(path.toString(), "rw")) {
            file.setLength(4096L * count);
        }
        EngineContext context =
                EngineContext.defaults(Clock.system(), (lane, thrown) -> trouble[0] = thrown);
        try (VdiEngine engine = new VdiEngine(context.withBackend(backend).withLanes(1))) {
            RawFileDevice device = new RawFileDevice(IoFile.open(path, true, true), true);
            CountDownLatch done = new CountDownLatch(count);
            AtomicInteger failed = new AtomicInteger();
            MemorySegment memory = Arena.ofAuto().allocate(4096, 4096);
            Lane lane = engine.lanes().getFirst();
            lane.execute(
                    () -> {
                        for (int i = 0; i < count; i++) {
                            BlockRequest request = lane.acquire();
                            request.set(
                                    i % 2 == 0 ? BlockOp.WRITE : BlockOp.READ, 0, 4096L * i, 4096);
                            request.data(memory, 0);
                            request.push(
                                    end -> {
                                        failed.addAndGet(end.status == IoStatus.OK ? 0 : 1);
                                        done.countDown();
                                    });
                            device.submit(request);
                        }
                    });
            assertTrue(done.await(30, TimeUnit.SECONDS));
            assertEquals(0, failed.get());
            device.close();
        }
        assertNull(trouble[0]);
    }

    @Test
    void aFileThatIsNotThereIsNamed() {
        Path missing = directory.resolve("missing");
        var refused =
                assertThrows(
                        dev.varve.vdi.StorageException.class,
                        () -> IoFile.open(missing, false, true));
        assertTrue(refused.sentence().contains("missing"));
    }

    @Test
    void aDirectoryIsNoFile() throws IOException {
        assertThrows(
                dev.varve.vdi.StorageException.class, () -> IoFile.open(directory, true, true));
    }
}
