// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumSet;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;

/** What holds for every device, with blocks of 512 and of 4096 bytes. */
@SuppressWarnings("exports") // annotations of JUnit, which only tests see
public interface BlockDeviceContract {
    /** How large the devices are. */
    long SIZE = 16 << 20;

    /**
     * A device of {@link #SIZE} bytes that reads as zero, on a lane.
     *
     * @param blockBytes what the medium below wants its requests to be multiples of
     */
    Subject open(int blockBytes) throws Exception;

    /** A device and the lane it runs on. */
    abstract class Subject implements AutoCloseable {
        private final DeviceGraph graph;
        private int completions;

        protected Subject(BlockDevice device) {
            graph = new DeviceGraph(device);
            graph.addUser("test", EnumSet.of(NodePermission.READ, NodePermission.WRITE), Set.of());
        }

        /** Runs a task on the lane. */
        protected abstract void execute(Runnable task);

        /** A request of the lane. */
        protected abstract BlockRequest request();

        /** Lets the lane work until the condition holds. */
        protected abstract void await(BooleanSupplier condition) throws Exception;

        public DeviceGraph graph() {
            return graph;
        }

        int block() {
            return graph.geometry().logicalBlockBytes();
        }

        boolean can(BlockFeature feature) {
            return graph.features().contains(feature);
        }

        CompletableFuture<IoStatus> start(
                BlockOp op,
                int flags,
                long offset,
                long length,
                MemorySegment memory,
                ExtentList list) {
            CompletableFuture<IoStatus> done = new CompletableFuture<>();
            AtomicInteger times = new AtomicInteger();
            execute(
                    () -> {
                        BlockRequest request = request();
                        request.set(op, flags, offset, length).data(memory, 0);
                        request.extents = list;
                        request.push(
                                end -> {
                                    completions++;
                                    if (times.incrementAndGet() > 1) {
                                        throw new AssertionError("completed twice: " + end);
                                    }
                                    done.complete(end.status);
                                });
                        graph.submit(request);
                    });
            return done;
        }

        IoStatus run(BlockOp op, int flags, long offset, long length, MemorySegment memory)
                throws Exception {
            CompletableFuture<IoStatus> done =
                    start(op, flags, offset, length, memory, new ExtentList(64));
            await(done::isDone);
            return done.getNow(null);
        }

        void write(long offset, byte[] data, int flags) throws Exception {
            assertEquals(IoStatus.OK, run(BlockOp.WRITE, flags, offset, data.length, memory(data)));
        }

        byte[] read(long offset, int length) throws Exception {
            MemorySegment memory = Arena.ofAuto().allocate(length, 4096);
            memory.fill((byte) 0x5A);
            assertEquals(IoStatus.OK, run(BlockOp.READ, 0, offset, length, memory));
            return memory.toArray(ValueLayout.JAVA_BYTE);
        }

        void run(BlockOp op, int flags, long offset, long length) throws Exception {
            assertEquals(IoStatus.OK, run(op, flags, offset, length, null));
        }

        @Override
        public abstract void close();
    }

    /** A subject in memory, whose lane the test itself runs. */
    final class Pumped extends Subject {
        private final TestLane lane;

        public Pumped(TestLane lane, BlockDevice device) {
            super(device);
            this.lane = lane;
        }

        @Override
        protected void execute(Runnable task) {
            lane.lane().execute(task);
        }

        @Override
        protected BlockRequest request() {
            return new BlockRequest(lane.lane());
        }

        @Override
        protected void await(BooleanSupplier condition) {
            lane.pump();
            for (int i = 0; i < 10_000 && !condition.getAsBoolean(); i++) {
                lane.advance(TimeUnit.MILLISECONDS.toNanos(1));
            }
            assertTrue(condition.getAsBoolean(), "the request ends");
            assertEquals(0, lane.trouble().size(), () -> "threw " + lane.trouble());
        }

        @Override
        public void close() {
            graph().close();
        }
    }

    private static MemorySegment memory(byte[] data) {
        MemorySegment memory = Arena.ofAuto().allocate(data.length, 4096);
        MemorySegment.copy(data, 0, memory, ValueLayout.JAVA_BYTE, 0, data.length);
        return memory;
    }

    private static byte[] pattern(int length, long seed) {
        byte[] data = new byte[length];
        new Random(seed).nextBytes(data);
        return data;
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    default void readsWhatWasWritten(int blockBytes) throws Exception {
        try (Subject subject = open(blockBytes)) {
            int block = subject.block();
            int[] lengths = {block, 3 * block, 1 << 20, (1 << 20) + block, (5 << 20) + block};
            for (int length : lengths) {
                long offset = 7L * block;
                byte[] data = pattern(length, length);
                subject.write(offset, data, 0);
                assertArrayEquals(data, subject.read(offset, length));
            }
            byte[] last = pattern(block, 9);
            subject.write(SIZE - block, last, 0);
            assertArrayEquals(last, subject.read(SIZE - block, block));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    default void readsZeroWhereNothingWasWritten(int blockBytes) throws Exception {
        try (Subject subject = open(blockBytes)) {
            int block = subject.block();
            assertArrayEquals(new byte[4 << 20], subject.read(0, 4 << 20));
            subject.write(4L * block, pattern(block, 1), 0);
            assertArrayEquals(new byte[4 * block], subject.read(0, 4 * block));
            assertArrayEquals(new byte[4 * block], subject.read(5L * block, 4 * block));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    default void aDiscardedRangeReadsAsZeroOrAsBefore(int blockBytes) throws Exception {
        try (Subject subject = open(blockBytes)) {
            assumeTrue(subject.can(BlockFeature.DISCARD), "the device does not discard");
            int block = subject.block();
            byte[] data = pattern(64 * block, 3);
            subject.write(0, data, 0);
            subject.run(BlockOp.DISCARD, 0, 3L * block, 50L * block);
            byte[] found = subject.read(0, 64 * block);
            for (int i = 0; i < found.length; i++) {
                boolean inside = i >= 3 * block && i < 53 * block;
                if (found[i] != data[i] && !(inside && found[i] == 0)) {
                    throw new AssertionError("byte " + i + " is neither zero nor as before");
                }
            }
            subject.run(BlockOp.DISCARD, BlockRequest.FUA, 0, SIZE);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    default void zeroesExactlyTheRange(int blockBytes) throws Exception {
        try (Subject subject = open(blockBytes)) {
            assumeTrue(subject.can(BlockFeature.WRITE_ZEROES), "the device does not zero");
            int block = subject.block();
            int[] flags = {0, BlockRequest.NO_HOLE, BlockRequest.FUA, 3};
            for (int flag : flags) {
                byte[] data = pattern(4 << 20, flag);
                subject.write(0, data, 0);
                int from = 5 * block;
                int length = (3 << 20) + 3 * block;
                subject.run(BlockOp.WRITE_ZEROES, flag, from, length);
                java.util.Arrays.fill(data, from, from + length, (byte) 0);
                assertArrayEquals(data, subject.read(0, data.length));
                subject.run(BlockOp.WRITE_ZEROES, flag, SIZE - block, block);
                subject.run(BlockOp.WRITE_ZEROES, flag, from, block);
                assertArrayEquals(data, subject.read(0, data.length));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    default void flushesAndWritesDurably(int blockBytes) throws Exception {
        try (Subject subject = open(blockBytes)) {
            byte[] data = pattern(subject.block(), 4);
            subject.run(BlockOp.FLUSH, 0, 0, 0);
            subject.write(0, data, 0);
            subject.run(BlockOp.FLUSH, 0, 0, 0);
            if (subject.can(BlockFeature.FUA)) {
                subject.write(SIZE / 2, data, BlockRequest.FUA);
                assertArrayEquals(data, subject.read(SIZE / 2, data.length));
            }
            assertArrayEquals(data, subject.read(0, data.length));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    default void extentsCoverTheRangeExactly(int blockBytes) throws Exception {
        try (Subject subject = open(blockBytes)) {
            assumeTrue(subject.can(BlockFeature.EXTENTS), "the device does not tell extents");
            int block = subject.block();
            subject.write(3L << 20, pattern(8 * block, 5), 0);
            long[][] ranges = {{0, SIZE}, {3L << 20, block}, {(3L << 20) - block, 3L * block}};
            for (long[] range : ranges) {
                ExtentList list = new ExtentList(64);
                var done = subject.start(BlockOp.EXTENTS, 0, range[0], range[1], null, list);
                subject.await(done::isDone);
                assertEquals(IoStatus.OK, done.getNow(null));
                long at = range[0];
                for (int i = 0; i < list.count(); i++) {
                    if (!list.isData(i)) {
                        byte[] found = subject.read(at, (int) list.length(i));
                        assertArrayEquals(new byte[found.length], found);
                    }
                    at += list.length(i);
                }
                assertEquals(range[0] + range[1], at);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    default void refusesWhatIsOutsideUnalignedOrEmpty(int blockBytes) throws Exception {
        try (Subject subject = open(blockBytes)) {
            int block = subject.block();
            MemorySegment memory = Arena.ofAuto().allocate(4L * block, 4096);
            long[][] wrong = {
                {SIZE, block},
                {SIZE - block, 2L * block},
                {-block, block},
                {0, 0},
                {0, -block},
                {block / 2, block},
                {0, block / 2},
                {1, block},
                {Long.MAX_VALUE - block + 1, block},
                {Long.MIN_VALUE, block},
                {0, Long.MAX_VALUE / block * block},
            };
            for (BlockOp op : BlockOp.values()) {
                for (long[] range : wrong) {
                    IoStatus status = subject.run(op, 0, range[0], range[1], memory);
                    if (op != BlockOp.FLUSH) {
                        String what = op + " of " + range[1] + " at " + range[0];
                        assertEquals(IoStatus.INVALID, status, what);
                    }
                }
            }
            assertArrayEquals(new byte[4 * block], subject.read(0, 4 * block));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    default void doesWhatItsFeaturesSayAndNothingElse(int blockBytes) throws Exception {
        try (Subject subject = open(blockBytes)) {
            int block = subject.block();
            MemorySegment memory = Arena.ofAuto().allocate(block, 4096);
            assertTrue(subject.can(BlockFeature.WRITE));
            expect(subject, BlockFeature.FUA, BlockOp.WRITE, BlockRequest.FUA, memory);
            expect(subject, BlockFeature.DISCARD, BlockOp.DISCARD, 0, null);
            expect(subject, BlockFeature.WRITE_ZEROES, BlockOp.WRITE_ZEROES, 0, null);
            expect(subject, BlockFeature.EXTENTS, BlockOp.EXTENTS, 0, null);
        }
    }

    private static void expect(
            Subject subject, BlockFeature feature, BlockOp op, int flags, MemorySegment memory)
            throws Exception {
        IoStatus status = subject.run(op, flags, 0, subject.block(), memory);
        assertEquals(
                subject.can(feature) ? IoStatus.OK : IoStatus.NOT_SUPPORTED,
                status,
                feature.name());
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    default void takesManyRequestsAtOnce(int blockBytes) throws Exception {
        try (Subject subject = open(blockBytes)) {
            int block = subject.block();
            Random random = new Random(6);
            byte[] model = new byte[600 * block];
            @SuppressWarnings({"unchecked", "rawtypes"})
            CompletableFuture<IoStatus>[] done = new CompletableFuture[600];
            for (int i = 0; i < 600; i++) {
                byte[] data = new byte[block];
                random.nextBytes(data);
                System.arraycopy(data, 0, model, i * block, block);
                long offset = (long) i * block;
                done[i] = subject.start(BlockOp.WRITE, 0, offset, block, memory(data), null);
            }
            for (CompletableFuture<IoStatus> one : done) {
                subject.await(one::isDone);
                assertEquals(IoStatus.OK, one.getNow(null));
            }
            assertArrayEquals(model, subject.read(0, model.length));
            assertEquals(601, subject.completions, "each request completes exactly once");
            assertNotEquals(0, subject.graph().geometry().sizeBytes());
        }
    }
}
