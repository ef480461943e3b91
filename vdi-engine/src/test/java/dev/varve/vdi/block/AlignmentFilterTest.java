// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.filter.FaultFilter;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;

/** Requests of 512 bytes before a device with blocks of 4096 bytes that refuses anything else. */
class AlignmentFilterTest implements BlockDeviceContract {
    private static final int SECTOR = 512;

    private final TestLane lane = new TestLane();

    /** Passes each request on after a time of its own. */
    private static final class RandomDelay extends BlockFilter {
        private final Random random;

        RandomDelay(long seed) {
            random = new Random(seed);
        }

        @Override
        public void submit(BlockRequest request) {
            LaneTimer before = new LaneTimer(() -> next().submit(request));
            request.push(
                    done -> {
                        LaneTimer after = new LaneTimer(() -> done.complete(done.status));
                        done.context.schedule(after, random.nextInt(1000));
                    });
            request.context.schedule(before, random.nextInt(1000));
        }
    }

    private static MemoryDevice device(int blockBytes) {
        return new MemoryDevice(new Geometry(SIZE, blockBytes, 4096, blockBytes));
    }

    private static DeviceGraph graph(MemoryDevice device, BlockFilter... filters) {
        DeviceGraph graph = new DeviceGraph(device);
        for (BlockFilter filter : filters) {
            graph.insert(filter);
        }
        graph.addUser("test", Set.of(NodePermission.READ, NodePermission.WRITE), Set.of());
        return graph;
    }

    @Override
    public Subject open(int blockBytes) {
        return new Pumped(lane, graph(device(blockBytes), new AlignmentFilter()));
    }

    private BlockRequest write(long offset, byte[] data, long misplaced) {
        BlockRequest request = lane.request(BlockOp.WRITE, 0, offset, data.length);
        MemorySegment memory = Arena.ofAuto().allocate(data.length + misplaced, 4096);
        MemorySegment.copy(data, 0, memory, ValueLayout.JAVA_BYTE, misplaced, data.length);
        return request.data(memory, misplaced);
    }

    /** Whoever sent the request may count on what it asked for. */
    @Test
    void aDiscardKeepsTheRangeThatItWasSentWith() {
        MemoryDevice device = device(4096);
        DeviceGraph graph = graph(device, new AlignmentFilter());
        device.content().fill((byte) 1);
        BlockRequest discard = lane.submit(graph, BlockOp.DISCARD, 0, SECTOR, 8192);
        assertEquals(IoStatus.OK, discard.status);
        assertEquals(SECTOR, discard.offset);
        assertEquals(8192, discard.length);
        assertEquals(1, device.content().get(ValueLayout.JAVA_BYTE, 4095));
        assertEquals(0, device.content().get(ValueLayout.JAVA_BYTE, 4096));
        assertEquals(1, device.content().get(ValueLayout.JAVA_BYTE, 8192));
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    void takesMemoryAtAnyAddress(int blockBytes) {
        DeviceGraph graph = graph(device(blockBytes), new AlignmentFilter());
        byte[] data = new byte[(2 << 20) + 1024];
        new Random(1).nextBytes(data);
        BlockRequest write = write(1536, data, 13);
        graph.submit(write);
        assertEquals(IoStatus.OK, write.status);
        BlockRequest read = lane.request(BlockOp.READ, 0, 1536, data.length);
        read.data(Arena.ofAuto().allocate(data.length + 7, 4096), 7);
        graph.submit(read);
        assertEquals(IoStatus.OK, read.status);
        assertArrayEquals(data, read.buffer.asSlice(7).toArray(ValueLayout.JAVA_BYTE));
    }

    /**
     * Eight neighbours write one block each of a physical block, and whole blocks and zeros are
     * between them; the device takes its time and answers in any order. A change that was read too
     * early would write an old neighbour back.
     */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
    void neighboursInOnePhysicalBlockDoNotLoseEachOther(long seed) {
        MemoryDevice device = device(4096);
        AlignmentFilter filter = new AlignmentFilter();
        DeviceGraph graph = graph(device, new RandomDelay(seed), filter);
        Random random = new Random(seed);
        int sectors = 64;
        byte[] model = new byte[sectors * SECTOR];
        for (int round = 0; round < 20; round++) {
            boolean[] taken = new boolean[sectors];
            List<BlockRequest> requests = new ArrayList<>();
            for (int i = 0; i < 60; i++) {
                int from = random.nextInt(sectors);
                int count = 0;
                int most = 1 + random.nextInt(12);
                while (count < most && from + count < sectors && !taken[from + count]) {
                    taken[from + count] = true;
                    count++;
                }
                if (count > 0) {
                    requests.add(change(random, model, from, count));
                }
            }
            requests.forEach(graph::submit);
            BlockRequest read = lane.request(BlockOp.READ, 0, SECTOR, 30 * SECTOR);
            graph.submit(read);
            lane.advance(1_000_000);
            for (BlockRequest request : requests) {
                assertEquals(1, request.token, request.toString());
                assertEquals(IoStatus.OK, request.status);
            }
            assertEquals(IoStatus.OK, read.status);
            byte[] content =
                    device.content().asSlice(0, model.length).toArray(ValueLayout.JAVA_BYTE);
            assertArrayEquals(model, content, "round " + round);
        }
        assertEquals(0, graph.inFlight());
        assertTrue(lane.trouble().isEmpty());
    }

    private BlockRequest change(Random random, byte[] model, int from, int count) {
        int at = from * SECTOR;
        int length = count * SECTOR;
        if (random.nextInt(5) == 0) {
            Arrays.fill(model, at, at + length, (byte) 0);
            return lane.request(BlockOp.WRITE_ZEROES, 0, at, length);
        }
        byte[] data = new byte[length];
        random.nextBytes(data);
        System.arraycopy(data, 0, model, at, length);
        return write(at, data, random.nextInt(3));
    }

    @Test
    void aFailedChangeLetsTheOthersGoOn() {
        MemoryDevice device = device(4096);
        FaultFilter faults = new FaultFilter();
        DeviceGraph graph = graph(device, faults, new RandomDelay(1), new AlignmentFilter());
        faults.add(FaultFilter.Rule.everywhere(Set.of(BlockOp.READ), IoStatus.IO_ERROR));
        BlockRequest partial = write(512, new byte[512], 0);
        BlockRequest whole = write(0, new byte[4096], 0);
        BlockRequest after = write(1024, new byte[512], 0);
        List.of(partial, whole, after).forEach(graph::submit);
        lane.advance(1_000_000);
        assertEquals(IoStatus.IO_ERROR, partial.status);
        assertEquals(IoStatus.OK, whole.status);
        assertEquals(IoStatus.IO_ERROR, after.status);
        faults.clear();
        BlockRequest again = write(512, new byte[512], 0);
        graph.submit(again);
        lane.advance(1_000_000);
        assertEquals(IoStatus.OK, again.status);
        assertEquals(0, graph.inFlight());
    }

    @Test
    void discardsOnlyWholeBlocks() {
        MemoryDevice device = device(4096);
        DeviceGraph graph = graph(device, new AlignmentFilter());
        device.content().fill((byte) 1);
        graph.submit(lane.request(BlockOp.DISCARD, 0, 512, 2 * 4096));
        graph.submit(lane.request(BlockOp.DISCARD, 0, 5 * 4096 + 512, 1024));
        for (int i = 0; i < 8 * 4096; i++) {
            byte expected = (byte) (i >= 4096 && i < 2 * 4096 ? 0 : 1);
            assertEquals(expected, device.content().get(ValueLayout.JAVA_BYTE, i), "byte " + i);
        }
    }
}
