// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.filter;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockDeviceContract;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.DeviceGraph;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.block.NodePermission;
import dev.varve.vdi.block.TestLane;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import java.util.Set;

/** A device whose server forgets what was not flushed, now and then. */
class ResendFilterTest implements BlockDeviceContract {
    private static final int BLOCK = 512;
    private static final int BLOCKS = 256;

    private final TestLane lane = new TestLane();

    /** Keeps writes in a cache that it can lose. */
    private static final class Forgetful implements BlockDevice {
        final byte[] durable;
        final byte[] seen;
        private final Geometry geometry;
        private long epoch = 1;
        private IoStatus failure = IoStatus.OK;
        private int flushes;
        private int flushesUntilLoss = -1;

        Forgetful(int bytes, int blockBytes) {
            durable = new byte[bytes];
            seen = new byte[bytes];
            geometry = new Geometry(bytes, blockBytes, 4096, 1);
        }

        void lose() {
            System.arraycopy(durable, 0, seen, 0, seen.length);
            epoch++;
        }

        @Override
        public Geometry geometry() {
            return geometry;
        }

        @Override
        public Set<BlockFeature> features() {
            return Set.of(
                    BlockFeature.WRITE,
                    BlockFeature.FUA,
                    BlockFeature.WRITE_ZEROES,
                    BlockFeature.DISCARD);
        }

        @Override
        public long lossEpoch() {
            return epoch;
        }

        @Override
        public void submit(BlockRequest request) {
            int at = (int) request.offset;
            int length = (int) request.length;
            if (failure != IoStatus.OK && request.op != BlockOp.READ) {
                request.complete(failure);
                return;
            }
            switch (request.op) {
                case READ ->
                        MemorySegment.copy(
                                seen,
                                at,
                                request.buffer,
                                ValueLayout.JAVA_BYTE,
                                request.bufferOffset,
                                length);
                case WRITE ->
                        MemorySegment.copy(
                                request.buffer,
                                ValueLayout.JAVA_BYTE,
                                request.bufferOffset,
                                seen,
                                at,
                                length);
                case WRITE_ZEROES -> Arrays.fill(seen, at, at + length, (byte) 0);
                case DISCARD, EXTENTS -> {}
                case FLUSH -> flush();
            }
            if (request.has(BlockRequest.FUA)) {
                System.arraycopy(seen, at, durable, at, length);
            }
            request.complete(IoStatus.OK);
        }

        private void flush() {
            flushes++;
            if (flushesUntilLoss-- == 0) {
                lose();
            }
            System.arraycopy(seen, 0, durable, 0, seen.length);
        }

        @Override
        public void close() {}
    }

    /** Has requests arrive, and their replies, after a time of their own. */
    private static final class RandomDelay extends BlockFilter {
        private final Random random;

        RandomDelay(Random random) {
            this.random = random;
        }

        @Override
        public void submit(BlockRequest request) {
            request.push(
                    done -> {
                        LaneTimer after = new LaneTimer(() -> done.complete(done.status));
                        done.context.schedule(after, random.nextInt(1000));
                    });
            LaneTimer before = new LaneTimer(() -> next().submit(request));
            request.context.schedule(before, random.nextInt(1000));
        }
    }

    private static DeviceGraph graph(BlockDevice device, BlockFilter... filters) {
        DeviceGraph graph = new DeviceGraph(device);
        for (BlockFilter filter : filters) {
            graph.insert(filter);
        }
        graph.addUser("test", Set.of(NodePermission.READ, NodePermission.WRITE), Set.of());
        return graph;
    }

    @Override
    public Subject open(int blockBytes) {
        Forgetful device = new Forgetful((int) SIZE, blockBytes);
        return new Pumped(lane, graph(device, new ResendFilter()));
    }

    private final Forgetful device = new Forgetful(BLOCKS * BLOCK, BLOCK);
    private final ResendFilter filter = new ResendFilter(128 << 10);
    private final DeviceGraph graph = graph(device, filter);

    private BlockRequest write(int block, int value) {
        BlockRequest request = lane.request(BlockOp.WRITE, 0, (long) block * BLOCK, BLOCK);
        request.buffer.fill((byte) value);
        graph.submit(request);
        lane.pump();
        return request;
    }

    private IoStatus flush() {
        return lane.submit(graph, BlockOp.FLUSH, 0, 0, 0).status;
    }

    private int read(int block) {
        BlockRequest read = lane.submit(graph, BlockOp.READ, 0, (long) block * BLOCK, BLOCK);
        assertEquals(IoStatus.OK, read.status);
        return read.buffer.get(ValueLayout.JAVA_BYTE, 0);
    }

    @Test
    void sendsAgainWhatWasLostBeforeAFlushSucceeds() {
        write(1, 1);
        assertEquals(IoStatus.OK, flush());
        write(2, 2);
        lane.submit(graph, BlockOp.WRITE_ZEROES, 0, BLOCK, BLOCK);
        device.lose();
        assertEquals(0, device.seen[2 * BLOCK]);
        assertEquals(IoStatus.OK, flush());
        assertEquals(0, device.durable[BLOCK]);
        assertEquals(2, device.durable[2 * BLOCK]);
        assertEquals(1, filter.repairs());
        assertEquals(0, filter.keptBytes());
    }

    @Test
    void readsShowWhatWasLost() {
        write(3, 7);
        device.lose();
        assertEquals(7, read(3));
        assertEquals(0, device.seen[3 * BLOCK]);
    }

    @Test
    void theNewerOfTwoWritesIsSentLast() {
        for (int value = 1; value <= 40; value++) {
            write(5, value);
        }
        device.lose();
        flush();
        assertEquals(40, device.durable[5 * BLOCK]);
    }

    @Test
    void aLossDuringTheRepairBeginsItAnew() {
        write(6, 9);
        device.lose();
        device.flushesUntilLoss = 1; // the second flush is that of the repair
        assertEquals(IoStatus.OK, flush());
        assertEquals(9, device.durable[6 * BLOCK]);
        assertEquals(3, device.flushes);
    }

    @Test
    void aFlushFailsWhenTheRepairDoesAndTheNextOneRepairs() {
        write(6, 9);
        device.lose();
        BlockFilter breaking =
                new BlockFilter() {
                    @Override
                    public void submit(BlockRequest request) {
                        if (request.op == BlockOp.WRITE) {
                            request.complete(IoStatus.IO_ERROR);
                        } else {
                            next().submit(request);
                        }
                    }
                };
        graph.remove(filter);
        graph.insert(breaking);
        graph.insert(filter);
        assertEquals(IoStatus.IO_ERROR, flush());
        assertEquals(9, read(6));
        graph.remove(breaking);
        assertEquals(IoStatus.OK, flush());
        assertEquals(9, device.durable[6 * BLOCK]);
        assertEquals(0, filter.keptBytes());
    }

    @Test
    void flushesByItselfAndKeepsLittle() {
        for (int block = 0; block < BLOCKS; block++) {
            assertEquals(IoStatus.OK, write(block, block + 1).status);
            assertTrue(filter.keptBytes() <= 128 << 10);
        }
        assertTrue(device.flushes >= 10 && device.flushes <= 64, "flushes: " + device.flushes);
        device.lose();
        assertEquals(IoStatus.OK, flush());
        for (int block = 0; block < BLOCKS; block++) {
            assertEquals((byte) (block + 1), device.durable[block * BLOCK]);
        }
    }

    @Test
    void writesWaitAtTheBoundAndFailWhenItCannotBeFlushed() {
        BlockFilter slow = new FaultFilter();
        ((FaultFilter) slow).add(FaultFilter.Rule.hang(Set.of(BlockOp.FLUSH)));
        DeviceGraph slowGraph = graph(device, slow, filter);
        BlockRequest last = null;
        for (int block = 0; block < 20; block++) {
            last = lane.request(BlockOp.WRITE, 0, (long) block * BLOCK, BLOCK);
            slowGraph.submit(last);
        }
        lane.pump();
        assertNull(last.status);
        ((FaultFilter) slow).clear();
        ((FaultFilter) slow).releaseHung();
        lane.pump();
        assertEquals(IoStatus.OK, last.status);
    }

    @Test
    void aWriteThatIsTooLargeToKeepIsDurableWhenItEnds() {
        write(0, 1);
        device.flushesUntilLoss = 1; // after the flush that makes room
        BlockRequest large = lane.request(BlockOp.WRITE, 0, 0, 100 << 10);
        large.buffer.fill((byte) 5);
        graph.submit(large);
        lane.pump();
        assertEquals(IoStatus.OK, large.status);
        assertEquals(5, device.durable[0]);
        assertEquals(5, device.durable[(100 << 10) - 1]);
        assertEquals(0, filter.keptBytes());
    }

    @Test
    void aFailedWriteIsNotSentAgain() {
        write(1, 1);
        device.failure = IoStatus.NO_SPACE;
        assertEquals(IoStatus.NO_SPACE, write(2, 2).status);
        device.failure = IoStatus.OK;
        device.lose();
        assertEquals(IoStatus.OK, flush());
        assertEquals(1, device.durable[BLOCK]);
        assertEquals(0, device.durable[2 * BLOCK]);
    }

    /** Many requests at once, losses at any moment: a model knows what has to be seen. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void survivesLossesAtAnyMoment(long seed) {
        Random random = new Random(seed);
        ResendFilter small = new ResendFilter(64 << 10);
        DeviceGraph slow = graph(device, new RandomDelay(random), small);
        byte[] model = new byte[BLOCKS];
        boolean[] busy = new boolean[BLOCKS];
        int[] losses = new int[1];
        for (int step = 0; step < 4000; step++) {
            int block = random.nextInt(BLOCKS / 4);
            int dice = random.nextInt(100);
            if (dice < 3) {
                device.lose();
                losses[0]++;
            } else if (dice < 8) {
                flushAndCompare(slow, model, busy);
            } else if (!busy[block] && dice < 60) {
                change(slow, block, dice < 50, (byte) (1 + random.nextInt(100)), model, busy);
            } else if (!busy[block]) {
                readAndCompare(slow, block, model, busy);
            }
            lane.advance(random.nextInt(200));
        }
        lane.advance(1_000_000);
        BlockRequest last = lane.submit(slow, BlockOp.FLUSH, 0, 0, 0);
        lane.advance(1_000_000);
        assertEquals(IoStatus.OK, last.status);
        for (int block = 0; block < BLOCKS; block++) {
            assertFalse(busy[block]);
            assertEquals(model[block], device.durable[block * BLOCK]);
        }
        assertTrue(small.repairs() > 10, "repairs: " + small.repairs());
        assertEquals(0, lane.trouble().size(), () -> lane.trouble().toString());
    }

    private void change(
            DeviceGraph to, int block, boolean data, byte value, byte[] model, boolean[] busy) {
        BlockOp op = data ? BlockOp.WRITE : BlockOp.WRITE_ZEROES;
        BlockRequest request = lane.request(op, 0, (long) block * BLOCK, BLOCK);
        if (data) {
            request.buffer.fill(value);
        }
        busy[block] = true;
        request.push(
                end -> {
                    assertEquals(IoStatus.OK, end.status);
                    busy[block] = false;
                    model[block] = data ? value : 0;
                    end.complete(end.status);
                });
        to.submit(request);
    }

    private void readAndCompare(DeviceGraph from, int block, byte[] model, boolean[] busy) {
        BlockRequest request = lane.request(BlockOp.READ, 0, (long) block * BLOCK, BLOCK);
        busy[block] = true;
        request.push(
                end -> {
                    busy[block] = false;
                    assertEquals(IoStatus.OK, end.status);
                    byte[] found = end.buffer.asSlice(0, BLOCK).toArray(ValueLayout.JAVA_BYTE);
                    byte[] expected = new byte[BLOCK];
                    Arrays.fill(expected, model[block]);
                    assertArrayEquals(expected, found);
                    end.complete(end.status);
                });
        from.submit(request);
    }

    /** What was there when the flush was submitted is durable, or newer, when it has succeeded. */
    private void flushAndCompare(DeviceGraph to, byte[] model, boolean[] busy) {
        byte[] then = model.clone();
        boolean[] sure = new boolean[BLOCKS];
        for (int block = 0; block < BLOCKS; block++) {
            sure[block] = !busy[block];
        }
        BlockRequest request = lane.request(BlockOp.FLUSH, 0, 0, 0);
        request.push(
                end -> {
                    assertEquals(IoStatus.OK, end.status);
                    for (int block = 0; block < BLOCKS; block++) {
                        if (sure[block] && !busy[block] && model[block] == then[block]) {
                            assertEquals(then[block], device.durable[block * BLOCK]);
                        }
                    }
                    end.complete(end.status);
                });
        to.submit(request);
    }
}
