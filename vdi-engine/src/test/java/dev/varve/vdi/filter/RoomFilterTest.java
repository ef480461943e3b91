// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.filter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.DeviceGraph;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.MemoryDevice;
import dev.varve.vdi.block.NodePermission;
import dev.varve.vdi.block.TestLane;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** Requests that find no room, on a lane whose time the test turns. */
class RoomFilterTest {
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);
    private static final Set<BlockOp> NEED_ROOM = EnumSet.of(BlockOp.WRITE, BlockOp.FLUSH);

    private final TestLane lane = new TestLane();
    private final MemoryDevice memory = new MemoryDevice(new Geometry(1 << 20, 512, 512, 1));
    private final DeviceGraph graph = new DeviceGraph(memory);
    private final FaultFilter faults = new FaultFilter();
    private RoomWatch.WhenFull whenFull = RoomWatch.WhenFull.WAIT;
    private final RoomWatch watch = new RoomWatch(() -> whenFull);
    private final List<Long> arrived = new ArrayList<>();

    /** Notes in which order requests come to the device. */
    private final BlockFilter order =
            new BlockFilter() {
                @Override
                public void submit(BlockRequest request) {
                    arrived.add(request.offset);
                    next().submit(request);
                }
            };

    @BeforeEach
    void build() {
        graph.insert(faults);
        graph.insert(order);
        graph.insert(new RoomFilter(watch));
        graph.addUser("test", Set.of(NodePermission.READ, NodePermission.WRITE), Set.of());
    }

    @AfterEach
    void nothingThrew() {
        assertTrue(lane.trouble().isEmpty(), () -> lane.trouble().toString());
        graph.close();
    }

    private void full() {
        faults.add(FaultFilter.Rule.everywhere(NEED_ROOM, IoStatus.NO_SPACE));
    }

    private BlockRequest write(long offset) {
        return lane.submit(graph, BlockOp.WRITE, 0, offset, 512);
    }

    private void made() {
        faults.clear();
        watch.roomMade();
        lane.pump();
    }

    @Test
    void writesAndFlushesWaitForRoomAndReadsDoNot() {
        full();
        BlockRequest write = write(0);
        BlockRequest flush = lane.submit(graph, BlockOp.FLUSH, 0, 0, 0);
        BlockRequest read = lane.submit(graph, BlockOp.READ, 0, 0, 512);
        lane.advance(60 * SECOND);
        assertEquals(0, write.token);
        assertEquals(0, flush.token);
        assertEquals(1, read.token);
        assertEquals(2, watch.waitingRequests());
        assertEquals(1, watch.waitingDisks());
        made();
        assertEquals(1, write.token);
        assertEquals(IoStatus.OK, write.status);
        assertEquals(1, flush.token);
        assertEquals(IoStatus.OK, flush.status);
        assertEquals(0, watch.waitingRequests());
        assertEquals(0, watch.waitingDisks());
        assertEquals(2, watch.everHeld());
        assertEquals(0, graph.inFlight());
    }

    @Test
    void withoutANewsItIsTriedWithinASecond() {
        full();
        BlockRequest write = write(0);
        lane.advance(60 * SECOND);
        int tries = arrived.size();
        assertTrue(tries > 50 && tries < 80, () -> "tried " + tries + " times in a minute");
        faults.clear();
        lane.advance(SECOND);
        assertEquals(1, write.token);
    }

    @Test
    void oneIsTriedAndAllFollowInTheirOrder() {
        full();
        for (int i = 0; i < 5; i++) {
            write(i * 512L);
        }
        arrived.clear();
        lane.advance(SECOND / 50);
        assertEquals(List.of(0L), arrived);
        arrived.clear();
        made();
        assertEquals(List.of(0L, 512L, 1024L, 1536L, 2048L), arrived);
    }

    @Test
    void thoseWhoFindNoneOnceMoreWaitOn() {
        full();
        BlockRequest first = write(0);
        BlockRequest second = write(512);
        BlockRequest third = write(1024);
        faults.clear();
        faults.add(new FaultFilter.Rule(NEED_ROOM, 512, 1024, IoStatus.NO_SPACE));
        watch.roomMade();
        lane.pump();
        assertEquals(1, first.token);
        assertEquals(0, second.token);
        assertEquals(1, third.token);
        assertEquals(1, watch.waitingRequests());
        made();
        assertEquals(1, second.token);
        assertEquals(0, watch.waitingDisks());
    }

    @Test
    void theFirstOfAllTellsThatDisksWait() {
        int[] told = new int[1];
        watch.onFirstWait(() -> told[0]++);
        full();
        write(0);
        write(512);
        lane.advance(5 * SECOND);
        assertEquals(1, told[0]);
        made();
        full();
        write(0);
        assertEquals(2, told[0]);
    }

    @Test
    void aStoreThatFailsWhenFullFailsAtOnce() {
        whenFull = RoomWatch.WhenFull.FAIL;
        full();
        BlockRequest write = write(0);
        assertEquals(1, write.token);
        assertEquals(IoStatus.NO_SPACE, write.status);
    }

    @Test
    void thoseWhoWaitFailWhenTheyAreNotToWaitAnyMore() {
        full();
        BlockRequest one = write(0);
        BlockRequest other = write(512);
        whenFull = RoomWatch.WhenFull.FAIL;
        lane.advance(SECOND);
        assertEquals(IoStatus.NO_SPACE, one.status);
        assertEquals(1, one.token);
        assertEquals(1, other.token);
        assertEquals(0, watch.waitingRequests());
        assertEquals(0, graph.inFlight());
    }

    @Test
    void thoseWhoWaitFailWhenTheDiskIsTakenAway() {
        full();
        BlockRequest write = write(0);
        graph.cut();
        lane.pump();
        assertEquals(1, write.token);
        assertEquals(IoStatus.NO_SPACE, write.status);
        assertEquals(0, watch.waitingRequests());
        assertEquals(0, watch.waitingDisks());
        assertEquals(0, graph.inFlight());
        assertEquals(IoStatus.CANCELLED, write(0).status);
    }

    /** A change of the disk, such as its size, is not held up until somebody makes room. */
    @Test
    void aDrainDoesNotWaitForThemAndTheyDoNotGoOnMeanwhile() {
        List<Boolean> drains = new ArrayList<>();
        full();
        BlockRequest write = write(0);
        graph.drain(lane.lane(), SECOND, drains::add);
        assertEquals(List.of(true), drains);
        made();
        lane.advance(5 * SECOND);
        assertEquals(0, write.token);
        graph.resume();
        lane.advance(2 * SECOND);
        assertEquals(1, write.token);
        assertEquals(IoStatus.OK, write.status);
    }

    /** One that comes to wait while a drain does. */
    @Test
    void aDrainEndsWhenTheLastOneComesToWait() {
        List<Boolean> drains = new ArrayList<>();
        faults.add(FaultFilter.Rule.hang(Set.of(BlockOp.WRITE)));
        BlockRequest write = write(0);
        graph.drain(lane.lane(), 60 * SECOND, drains::add);
        assertTrue(drains.isEmpty());
        // The device below says no at last.
        BlockRequest hung = write;
        hung.complete(IoStatus.NO_SPACE);
        assertEquals(List.of(true), drains);
        graph.cut();
        lane.pump();
        assertEquals(1, write.token);
    }

    @Test
    void anotherFailureIsTold() {
        full();
        BlockRequest write = write(0);
        faults.clear();
        faults.add(FaultFilter.Rule.everywhere(NEED_ROOM, IoStatus.IO_ERROR));
        lane.advance(2 * SECOND);
        assertEquals(IoStatus.IO_ERROR, write.status);
        assertEquals(1, write.token);
        assertNull(write.next);
    }
}
