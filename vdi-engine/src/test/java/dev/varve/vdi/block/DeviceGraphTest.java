// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.filter.DelayFilter;
import dev.varve.vdi.filter.FaultFilter;
import dev.varve.vdi.filter.StatsFilter;
import dev.varve.vdi.filter.ThrottleFilter;
import dev.varve.vdi.filter.WriteLogFilter;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** A graph and the filters in it, on a lane whose time the test turns. */
class DeviceGraphTest {
    private static final long SIZE = 1 << 20;
    private static final long MILLI = TimeUnit.MILLISECONDS.toNanos(1);
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

    private final TestLane lane = new TestLane();
    private final MemoryDevice memory = new MemoryDevice(new Geometry(SIZE, 512, 512, 1));
    private final DeviceGraph graph = new DeviceGraph(memory);
    private final FaultFilter faults = new FaultFilter();
    private final List<Boolean> drains = new ArrayList<>();

    @AfterEach
    void nothingThrew() {
        assertTrue(lane.trouble().isEmpty(), () -> lane.trouble().toString());
        graph.close();
    }

    private void use() {
        graph.addUser("test", Set.of(NodePermission.READ, NodePermission.WRITE), Set.of());
    }

    private void hang() {
        graph.insert(faults);
        faults.add(FaultFilter.Rule.hang(EnumSet.allOf(BlockOp.class)));
    }

    private BlockRequest start(BlockOp op, long offset) {
        return lane.submit(graph, op, 0, offset, 512);
    }

    @Test
    void refusesWhatNoUserRegisteredFor() {
        assertEquals(IoStatus.INVALID, start(BlockOp.READ, 0).status);
        assertEquals(IoStatus.READ_ONLY, start(BlockOp.WRITE, 0).status);
        graph.addUser("reader", Set.of(NodePermission.READ), Set.of(NodePermission.READ));
        assertEquals(IoStatus.OK, start(BlockOp.READ, 0).status);
        assertEquals(IoStatus.READ_ONLY, start(BlockOp.WRITE, 0).status);
        graph.removeUser("reader");
        use();
        assertEquals(IoStatus.OK, start(BlockOp.WRITE, 0).status);
    }

    @Test
    void usersDoOnlyWhatTheOthersShare() {
        graph.addUser("reader", Set.of(NodePermission.READ), Set.of(NodePermission.READ));
        graph.addUser("second", Set.of(NodePermission.READ), EnumSet.allOf(NodePermission.class));
        StorageException refused =
                assertThrows(
                        StorageException.class,
                        () ->
                                graph.addUser(
                                        "writer",
                                        Set.of(NodePermission.WRITE),
                                        EnumSet.allOf(NodePermission.class)));
        assertEquals(ErrorCode.SR_VDI_IN_USE, refused.code());
        graph.removeUser("reader");
        assertThrows(
                StorageException.class,
                () -> graph.addUser("alone", Set.of(NodePermission.WRITE), Set.of()));
        graph.addUser("writer", Set.of(NodePermission.WRITE), Set.of(NodePermission.READ));
        assertEquals(IoStatus.OK, start(BlockOp.WRITE, 0).status);
    }

    @Test
    void aDrainWaitsForWhatIsInFlightAndHoldsTheRest() {
        use();
        hang();
        BlockRequest first = start(BlockOp.WRITE, 0);
        graph.drain(lane.lane(), SECOND, drains::add);
        BlockRequest second = start(BlockOp.WRITE, 512);
        BlockRequest third = start(BlockOp.FLUSH, 0);
        assertTrue(drains.isEmpty());
        assertEquals(1, graph.inFlight());
        faults.clear();
        faults.releaseHung();
        assertEquals(List.of(true), drains);
        assertEquals(IoStatus.OK, first.status);
        assertNull(second.status);
        graph.resume();
        assertEquals(IoStatus.OK, second.status);
        assertEquals(IoStatus.OK, third.status);
        assertEquals(1, second.token);
        lane.advance(2 * SECOND);
        assertEquals(List.of(true), drains, "the deadline of a drain that is over does nothing");
    }

    @Test
    void aDrainEndsAtItsDeadline() {
        use();
        hang();
        BlockRequest stuck = start(BlockOp.READ, 0);
        graph.drain(lane.lane(), SECOND, drains::add);
        lane.advance(SECOND - 1);
        assertTrue(drains.isEmpty());
        lane.advance(1);
        assertEquals(List.of(false), drains);
        BlockRequest held = start(BlockOp.READ, 0);
        assertNull(held.status);
        faults.clear();
        faults.releaseHung();
        assertEquals(IoStatus.OK, stuck.status);
        assertEquals(List.of(false), drains);
        graph.drain(lane.lane(), SECOND, drains::add);
        assertEquals(List.of(false, true), drains);
        graph.resume();
        assertEquals(IoStatus.OK, held.status);
    }

    @Test
    void aCutRefusesHeldAndNewRequests() {
        use();
        hang();
        BlockRequest stuck = start(BlockOp.READ, 0);
        graph.drain(lane.lane(), SECOND, drains::add);
        BlockRequest held = start(BlockOp.READ, 0);
        graph.cut();
        assertTrue(graph.isCut());
        assertEquals(IoStatus.CANCELLED, held.status);
        assertEquals(IoStatus.CANCELLED, start(BlockOp.FLUSH, 0).status);
        assertNull(stuck.status);
        faults.clear();
        faults.releaseHung();
        assertEquals(IoStatus.OK, stuck.status);
        assertEquals(List.of(true), drains);
    }

    @Test
    void filtersComeAndGoWhileTheDeviceIsUsed() {
        use();
        WriteLogFilter log = new WriteLogFilter();
        StatsFilter stats = new StatsFilter();
        start(BlockOp.WRITE, 0);
        graph.insert(log);
        graph.insert(stats);
        start(BlockOp.WRITE, 512);
        graph.remove(log);
        start(BlockOp.WRITE, 1024);
        graph.remove(stats);
        start(BlockOp.WRITE, 1536);
        assertEquals(1, log.entries().size());
        assertEquals(2, stats.get(StatsFilter.Counter.WRITES));
        hang();
        BlockRequest stuck = start(BlockOp.READ, 0);
        assertThrows(IllegalStateException.class, () -> graph.remove(faults));
        assertThrows(IllegalStateException.class, () -> graph.insert(stats));
        faults.clear();
        faults.releaseHung();
        assertEquals(IoStatus.OK, stuck.status);
        graph.remove(faults);
        assertThrows(IllegalStateException.class, () -> graph.remove(faults));
    }

    @Test
    void faultsStrikeByKindAndRange() {
        use();
        graph.insert(faults);
        faults.add(new FaultFilter.Rule(Set.of(BlockOp.WRITE), 1024, 2048, IoStatus.NO_SPACE));
        faults.add(FaultFilter.Rule.everywhere(Set.of(BlockOp.FLUSH), IoStatus.TIMED_OUT));
        assertEquals(IoStatus.OK, start(BlockOp.WRITE, 512).status);
        assertEquals(IoStatus.NO_SPACE, start(BlockOp.WRITE, 1024).status);
        assertEquals(IoStatus.NO_SPACE, start(BlockOp.WRITE, 1536).status);
        assertEquals(IoStatus.OK, start(BlockOp.WRITE, 2048).status);
        assertEquals(IoStatus.OK, start(BlockOp.READ, 1024).status);
        assertEquals(IoStatus.TIMED_OUT, start(BlockOp.FLUSH, 0).status);
        faults.clear();
        assertEquals(IoStatus.OK, start(BlockOp.FLUSH, 0).status);
        assertEquals(0, faults.hungCount());
    }

    @Test
    void delaysOnlyTheKindsItIsToldTo() {
        use();
        graph.insert(new DelayFilter(Set.of(BlockOp.WRITE), 10 * MILLI));
        BlockRequest write = start(BlockOp.WRITE, 0);
        BlockRequest read = start(BlockOp.READ, 0);
        assertEquals(IoStatus.OK, read.status);
        lane.advance(10 * MILLI - 1);
        assertNull(write.status);
        lane.advance(1);
        assertEquals(IoStatus.OK, write.status);
    }

    @Test
    void throttlesRequestsInOrderWithABurst() {
        use();
        graph.insert(new ThrottleFilter(100, 0));
        List<BlockRequest> requests = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            requests.add(start(BlockOp.WRITE, 512L * i));
        }
        assertEquals(10, done(requests), "a tenth of a second passes at once");
        lane.advance(100 * MILLI + 20);
        assertEquals(20, done(requests), 1);
        lane.advance(300 * MILLI + 100);
        assertEquals(50, done(requests), 1);
        lane.advance(SECOND);
        assertEquals(50, done(requests));
    }

    @Test
    void throttlesBytes() {
        use();
        graph.insert(new ThrottleFilter(0, 5120));
        List<BlockRequest> requests = new ArrayList<>();
        for (int i = 0; i < 30; i++) {
            requests.add(start(BlockOp.WRITE, 512L * i));
        }
        requests.add(start(BlockOp.FLUSH, 0));
        lane.advance(SECOND);
        assertEquals(11, done(requests), 1);
        lane.advance(3 * SECOND);
        assertEquals(31, done(requests));
    }

    private static int done(List<BlockRequest> requests) {
        return (int) requests.stream().filter(request -> request.status != null).count();
    }

    @Test
    void countsWhatEndedAndWhatIsOnItsWay() {
        use();
        StatsFilter stats = new StatsFilter();
        hang();
        graph.remove(faults);
        graph.insert(faults);
        faults.clear();
        graph.insert(stats);
        start(BlockOp.WRITE, 0);
        lane.submit(graph, BlockOp.READ, 0, 0, 4096);
        start(BlockOp.FLUSH, 0);
        start(BlockOp.DISCARD, 0);
        start(BlockOp.WRITE_ZEROES, 0);
        faults.add(FaultFilter.Rule.hang(Set.of(BlockOp.READ)));
        faults.add(FaultFilter.Rule.everywhere(Set.of(BlockOp.WRITE), IoStatus.IO_ERROR));
        start(BlockOp.READ, 0);
        start(BlockOp.WRITE, 0);
        assertEquals(1, stats.get(StatsFilter.Counter.WRITES));
        assertEquals(512, stats.get(StatsFilter.Counter.WRITE_BYTES));
        assertEquals(1, stats.get(StatsFilter.Counter.READS));
        assertEquals(4096, stats.get(StatsFilter.Counter.READ_BYTES));
        assertEquals(1, stats.get(StatsFilter.Counter.FLUSHES));
        assertEquals(2, stats.get(StatsFilter.Counter.DISCARDS));
        assertEquals(1, stats.get(StatsFilter.Counter.ERRORS));
        assertEquals(1, stats.get(StatsFilter.Counter.IN_FLIGHT));
        assertEquals(StatsFilter.Counter.values().length, stats.snapshot().size());
        faults.clear();
        faults.releaseHung();
        assertEquals(0, stats.get(StatsFilter.Counter.IN_FLIGHT));
    }

    @Test
    void logsChangesWithTheirDataInTheOrderInWhichTheyEnded() {
        use();
        WriteLogFilter log = new WriteLogFilter();
        graph.insert(faults);
        graph.insert(log);
        faults.add(new FaultFilter.Rule(Set.of(BlockOp.WRITE), 0, 512, IoStatus.IO_ERROR));
        start(BlockOp.WRITE, 0);
        BlockRequest write = lane.request(BlockOp.WRITE, BlockRequest.FUA, 512, 512);
        write.buffer.set(ValueLayout.JAVA_BYTE, 3, (byte) 42);
        graph.submit(write);
        write.buffer.set(ValueLayout.JAVA_BYTE, 3, (byte) 0);
        start(BlockOp.READ, 0);
        start(BlockOp.WRITE_ZEROES, 1024);
        start(BlockOp.DISCARD, 1536);
        start(BlockOp.FLUSH, 0);
        List<WriteLogFilter.Entry> entries = log.entries();
        assertEquals(4, entries.size());
        WriteLogFilter.Entry.Write logged = (WriteLogFilter.Entry.Write) entries.getFirst();
        assertEquals(512, logged.offset());
        assertEquals(42, logged.data()[3]);
        assertTrue(logged.durable());
        assertEquals(new WriteLogFilter.Entry.Zero(1024, 512), entries.get(1));
        assertEquals(new WriteLogFilter.Entry.Discard(1536, 512), entries.get(2));
        assertEquals(new WriteLogFilter.Entry.Flush(), entries.get(3));
    }

    @Test
    void timersRunInOrderAndOnlyWhenTheyAreNotCancelled() {
        List<String> ran = new ArrayList<>();
        LaneTimer late = new LaneTimer(() -> ran.add("late"));
        LaneTimer early = new LaneTimer(() -> ran.add("early"));
        LaneTimer never = new LaneTimer(() -> ran.add("never"));
        lane.lane().schedule(late, 30);
        lane.lane().schedule(early, 20);
        lane.lane().schedule(never, 10);
        never.cancel();
        assertFalse(never.isScheduled());
        assertTrue(late.isScheduled());
        lane.lane().schedule(early, 25);
        lane.advance(24);
        assertEquals(List.of(), ran);
        lane.advance(10);
        assertEquals(List.of("early", "late"), ran);
        assertFalse(late.isScheduled());
        lane.lane().schedule(never, 1);
        lane.advance(1);
        assertEquals(List.of("early", "late", "never"), ran);
        assertEquals(Long.MAX_VALUE, lane.lane().nextTimerNanos());
    }

    @Test
    void aDrainThatGaveUpDoesNotStandInTheWayOfTheNext() {
        use();
        hang();
        start(BlockOp.READ, 0);
        List<String> givenUp = new ArrayList<>();
        graph.drain(lane.lane(), SECOND, drained -> givenUp.add("first"));
        graph.resume();
        graph.drain(lane.lane(), 2 * SECOND, drains::add);
        lane.advance(SECOND);
        assertTrue(drains.isEmpty());
        lane.advance(SECOND);
        assertEquals(List.of(false), drains);
        assertTrue(givenUp.isEmpty());
        graph.resume();
        faults.clear();
        faults.releaseHung();
    }

    @Test
    void buffersAreBoundedAlignedAndUsedAgain() {
        List<Runnable> later = new ArrayList<>();
        BufferPool pool = new BufferPool(1 << 20, later::add);
        List<java.lang.foreign.MemorySegment> lent = new ArrayList<>();
        for (var buffer = pool.acquire(4096); buffer != null; buffer = pool.acquire(4096)) {
            assertEquals(0, buffer.address() % 4096);
            assertEquals(4096 + BufferPool.HEADROOM_BYTES, buffer.byteSize());
            lent.add(buffer);
        }
        assertEquals(128, lent.size());
        List<String> woken = new ArrayList<>();
        pool.whenReleased(() -> woken.add("one"));
        pool.whenReleased(() -> woken.add("two"));
        var beyond = pool.acquireNow(5000);
        assertTrue(beyond.byteSize() >= 5000 + BufferPool.HEADROOM_BYTES);
        pool.release(beyond);
        assertEquals(1 << 20, pool.allocatedBytes());
        assertEquals(List.of(), woken);
        later.forEach(Runnable::run);
        assertEquals(List.of("one", "two"), woken);
        lent.forEach(pool::release);
        var large = pool.acquire(512 << 10);
        assertTrue(large != null, "free buffers make way for another size");
        assertTrue(pool.allocatedBytes() <= 1 << 20);
        assertThrows(IllegalStateException.class, () -> pool.acquire(BufferPool.LARGEST_BYTES + 1));
        pool.release(large);
        pool.close();
        assertEquals(0, pool.allocatedBytes());
    }
}
