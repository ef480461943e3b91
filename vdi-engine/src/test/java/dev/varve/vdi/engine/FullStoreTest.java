// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.filter.FaultFilter;
import dev.varve.vdi.filter.RoomFilter;
import dev.varve.vdi.filter.RoomWatch;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.time.TestClock;
import dev.varve.vdi.vhd.VhdCheck;
import dev.varve.vdi.vhd.VhdFormat;
import dev.varve.vdi.vhd.VhdVerdict;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Disks over a store that has no room now: writes wait, and nothing else is harmed. */
class FullStoreTest {
    private static final long SIZE = 64 << 20;
    private static final int BLOCK = 2 << 20;

    @TempDir Path directory;
    private final TestClock clock = TestClock.running();
    private final Operation operation = Operation.within("test", clock, 600, TimeUnit.SECONDS);
    private final VhdFormat format = new VhdFormat(clock);
    private final RoomWatch watch = new RoomWatch(RoomWatch.WhenFull.WAIT);
    private final FaultFilter faults = new FaultFilter();
    private VdiEngine engine;
    private Path file;
    private ScarceVolume volume;
    private volatile Throwable trouble;

    @BeforeEach
    void start() throws Exception {
        EngineContext context = EngineContext.defaults(clock, (lane, thrown) -> trouble = thrown);
        engine = new VdiEngine(context.withLanes(1));
        file = Files.createFile(directory.resolve("disk.vhd"));
        try (OpenVolume open = engine.open(new FileVolume(file, true), true)) {
            format.create(
                    open.access(operation), ImageSpec.plain(UUID.randomUUID(), SIZE), operation);
        }
    }

    @AfterEach
    void stop() {
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    private ActiveVdi activate(BlockFilter... more) {
        volume = new ScarceVolume(new FileVolume(file, true));
        List<BlockFilter> below = new java.util.ArrayList<>(List.of(volume.filter()));
        below.addAll(List.of(more));
        return engine.activate(
                UUID.randomUUID(),
                new VdiEngine.Leaf(volume, format, ParentSource.NONE),
                true,
                operation,
                below,
                List.of(new RoomFilter(watch)));
    }

    private static byte[] pattern(int length, long seed) {
        byte[] data = new byte[length];
        new Random(seed).nextBytes(data);
        return data;
    }

    /** Starts a request and does not wait for its end. */
    private static CompletableFuture<IoStatus> start(
            ActiveVdi vdi, BlockOp op, long offset, byte[] data) {
        CompletableFuture<IoStatus> done = new CompletableFuture<>();
        MemorySegment memory = null;
        if (data != null) {
            memory = Arena.ofAuto().allocate(data.length, 4096);
            memory.copyFrom(MemorySegment.ofArray(data));
        }
        vdi.lane()
                .submit(
                        vdi.device(),
                        op,
                        0,
                        offset,
                        data == null ? 0 : data.length,
                        memory,
                        0,
                        request -> {
                            IoStatus status = request.status;
                            request.context.release(request);
                            done.complete(status);
                        });
        return done;
    }

    private static IoStatus end(CompletableFuture<IoStatus> request) {
        return request.orTimeout(30, TimeUnit.SECONDS).join();
    }

    private void requireInOrder(byte[] expected) {
        try (OpenVolume open = engine.open(new FileVolume(file, false), false)) {
            VhdCheck.Result result = new VhdCheck(clock).check(open.access(operation));
            assertEquals(VhdVerdict.VALID, result.verdict(), () -> result.findings().toString());
        }
        ActiveVdi again =
                engine.activate(
                        UUID.randomUUID(), new FileVolume(file, true), format, true, operation);
        assertArrayEquals(expected, new DiskClient(again).read(0, expected.length));
        again.close(operation);
    }

    /** Nothing is told of it, whichever steps of a disk at work find no room at first. */
    @ParameterizedTest
    @ValueSource(ints = {2, 3, 7})
    void everyNthAttemptToTakeRoomFailsAndNobodyNotices(int n) {
        ActiveVdi vdi = activate();
        volume.refuse(attempt -> attempt % n == 0);
        DiskClient client = new DiskClient(vdi);
        byte[] expected = new byte[(int) SIZE];
        Random random = new Random(n);
        for (int i = 0; i < 60; i++) {
            int length = 512 * (1 + random.nextInt(64));
            int offset = 512 * random.nextInt((int) ((SIZE - length) / 512));
            byte[] data = pattern(length, i);
            switch (random.nextInt(8)) {
                case 0 -> {
                    client.writeDurably(offset, data);
                    System.arraycopy(data, 0, expected, offset, length);
                }
                case 1 -> {
                    client.writeZeroes(offset, length, BlockRequest.NO_HOLE);
                    Arrays.fill(expected, offset, offset + length, (byte) 0);
                }
                case 2 -> {
                    long block = offset / BLOCK * (long) BLOCK;
                    client.writeZeroes(block, BLOCK, 0);
                    Arrays.fill(expected, (int) block, (int) block + BLOCK, (byte) 0);
                }
                case 3 -> client.flush();
                default -> {
                    client.write(offset, data);
                    System.arraycopy(data, 0, expected, offset, length);
                }
            }
        }
        client.flush();
        assertTrue(volume.refusals() > 5, "room was refused");
        assertEquals(watch.waitingRequests(), 0);
        assertArrayEquals(expected, client.read(0, (int) SIZE));
        vdi.close(operation);
        requireInOrder(expected);
    }

    @Test
    void aFullStoreFlushesAndClosesAsIfItWasNot() {
        ActiveVdi vdi = activate();
        DiskClient client = new DiskClient(vdi);
        byte[] expected = new byte[4 * BLOCK];
        byte[] data = pattern(64 << 10, 1);
        client.write(0, data);
        client.write(3L * BLOCK, data);
        System.arraycopy(data, 0, expected, 0, data.length);
        System.arraycopy(data, 0, expected, 3 * BLOCK, data.length);
        volume.refuse(attempt -> true);
        byte[] more = pattern(4096, 2);
        CompletableFuture<IoStatus> newBlock = start(vdi, BlockOp.WRITE, 10L * BLOCK, more);
        CompletableFuture<IoStatus> newPage = start(vdi, BlockOp.WRITE, BLOCK - 4096, more);
        client.flush();
        client.write(4096, more);
        System.arraycopy(more, 0, expected, 4096, 4096);
        client.flush();
        assertArrayEquals(expected, client.read(0, expected.length));
        assertFalse(newBlock.isDone());
        assertFalse(newPage.isDone());
        assertEquals(2, watch.waitingRequests());
        vdi.close(operation);
        assertEquals(IoStatus.NO_SPACE, end(newBlock));
        assertEquals(IoStatus.NO_SPACE, end(newPage));
        requireInOrder(expected);
    }

    @Test
    void whatWaitedIsThereWhenThereIsRoom() {
        ActiveVdi vdi = activate();
        DiskClient client = new DiskClient(vdi);
        volume.refuse(attempt -> true);
        byte[] data = pattern(4096, 2);
        CompletableFuture<IoStatus> write = start(vdi, BlockOp.WRITE, 5L * BLOCK, data);
        assertArrayEquals(new byte[4096], client.read(0, 4096));
        vdi.resize(SIZE + BLOCK, operation);
        assertFalse(write.isDone());
        volume.refuse(attempt -> false);
        watch.roomMade();
        assertEquals(IoStatus.OK, end(write));
        client.flush();
        assertArrayEquals(data, client.read(5L * BLOCK, 4096));
        vdi.close(operation);
    }

    private void strike(FaultFilter.Rule rule) {
        onLane(() -> faults.add(rule));
    }

    private void onLane(Runnable task) {
        CompletableFuture<Boolean> done = new CompletableFuture<>();
        engine.lanes()
                .getFirst()
                .execute(
                        () -> {
                            task.run();
                            done.complete(true);
                        });
        done.orTimeout(30, TimeUnit.SECONDS).join();
    }

    /** A store that copies what is written, say, may have no room for anything. */
    @Test
    void metadataForWhichThereIsNoRoomIsWrittenLater() throws Exception {
        ActiveVdi vdi = activate(faults);
        DiskClient client = new DiskClient(vdi);
        byte[] data = pattern(4096, 3);
        client.write(2L * BLOCK, data);
        strike(FaultFilter.Rule.everywhere(Set.of(BlockOp.WRITE), IoStatus.NO_SPACE));
        CompletableFuture<IoStatus> flush = start(vdi, BlockOp.FLUSH, 0, null);
        assertThrows(
                java.util.concurrent.TimeoutException.class,
                () -> flush.copy().get(200, TimeUnit.MILLISECONDS));
        onLane(faults::clear);
        watch.roomMade();
        assertEquals(IoStatus.OK, end(flush));
        // As after a crash: nothing is closed.
        Path copy = Files.copy(file, directory.resolve("copy.vhd"));
        ActiveVdi crashed =
                engine.activate(
                        UUID.randomUUID(), new FileVolume(copy, true), format, true, operation);
        assertArrayEquals(data, new DiskClient(crashed).read(2L * BLOCK, 4096));
        crashed.close(operation);
        vdi.close(operation);
    }

    @Test
    void closingWithoutRoomForMetadataSaysSo() {
        ActiveVdi vdi = activate(faults);
        DiskClient client = new DiskClient(vdi);
        client.write(2L * BLOCK, pattern(4096, 3));
        strike(FaultFilter.Rule.everywhere(Set.of(BlockOp.WRITE), IoStatus.NO_SPACE));
        StorageException failed = assertThrows(StorageException.class, () -> vdi.close(operation));
        assertEquals(ErrorCode.SR_NO_SPACE, failed.code());
        onLane(faults::clear);
        ActiveVdi again = activate();
        again.close(operation);
    }

    /** The system tells once that it has dropped data: waiting would only hide that. */
    @Test
    void aFlushThatLosesDataForWantOfRoomFailsForGood() {
        ActiveVdi vdi = activate(faults);
        DiskClient client = new DiskClient(vdi);
        client.write(0, pattern(4096, 3));
        strike(FaultFilter.Rule.everywhere(Set.of(BlockOp.FLUSH), IoStatus.NO_SPACE));
        assertEquals(IoStatus.IO_ERROR, client.run(BlockOp.FLUSH, 0, 0, 0, null));
        onLane(faults::clear);
        assertEquals(IoStatus.IO_ERROR, client.run(BlockOp.FLUSH, 0, 0, 0, null));
        assertThrows(StorageException.class, () -> vdi.close(operation));
    }
}
