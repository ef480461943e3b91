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
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.filter.FaultFilter;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.time.TestClock;
import dev.varve.vdi.vhd.VhdFormat;
import dev.varve.vdi.vhd.VhdImageBuilder;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Disks over a volume that fails, is full, or does not answer. */
class VhdTroubleTest {
    private static final long SIZE = 64 << 20;
    private static final int BLOCK = 2 << 20;
    private static final Set<BlockOp> CHANGES =
            EnumSet.of(BlockOp.WRITE, BlockOp.WRITE_ZEROES, BlockOp.DISCARD);

    @TempDir Path directory;
    private final TestClock clock = TestClock.running();
    private final Operation operation = Operation.within("test", clock, 600, TimeUnit.SECONDS);
    private final VhdFormat format = new VhdFormat(clock);
    private final RawFormat raw = new RawFormat();
    private final FaultFilter faults = new FaultFilter();
    private VdiEngine engine;
    private volatile Throwable trouble;

    /** A volume that tells when it is closed, and whether anything came after that. */
    private static final class WatchedVolume implements StoreVolume {
        final CountDownLatch closed = new CountDownLatch(1);
        final FileVolume file;
        volatile String tooLate;

        WatchedVolume(Path path) {
            file = new FileVolume(path, true);
        }

        /** Goes right in front of the volume. */
        BlockFilter watch() {
            return new BlockFilter() {
                @Override
                public void submit(BlockRequest request) {
                    if (closed.getCount() == 0) {
                        tooLate = request.toString();
                        request.complete(IoStatus.IO_ERROR);
                    } else {
                        next().submit(request);
                    }
                }
            };
        }

        @Override
        public VolumeId id() {
            return file.id();
        }

        @Override
        public BlockDevice device() {
            return file.device();
        }

        @Override
        public CompletionStage<Long> grow(long sizeBytes) {
            return file.grow(sizeBytes);
        }

        @Override
        public void shrink(long sizeBytes) {
            file.shrink(sizeBytes);
        }

        @Override
        public void close() {
            closed.countDown();
            file.close();
        }
    }

    @BeforeEach
    void start() {
        EngineContext context = EngineContext.defaults(clock, (lane, thrown) -> trouble = thrown);
        engine = new VdiEngine(context.withLanes(1));
    }

    @AfterEach
    void stop() {
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    private static byte[] pattern(int length, long seed) {
        byte[] data = new byte[length];
        new Random(seed).nextBytes(data);
        return data;
    }

    private Path create(String name, ImageFormat wanted) {
        try {
            Path file = Files.createFile(directory.resolve(name));
            try (OpenVolume open = engine.open(new FileVolume(file, true), true)) {
                wanted.create(
                        open.access(operation),
                        ImageSpec.plain(UUID.randomUUID(), SIZE),
                        operation);
            }
            return file;
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private ActiveVdi activate(StoreVolume volume, ImageFormat wanted, BlockFilter... below) {
        return engine.activate(
                UUID.randomUUID(),
                new VdiEngine.Leaf(volume, wanted, ParentSource.NONE),
                true,
                operation,
                List.of(below),
                List.of());
    }

    private ActiveVdi activate(Path file) {
        return activate(new FileVolume(file, true), format, faults);
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

    private void strike(FaultFilter.Rule rule) {
        onLane(() -> faults.add(rule));
    }

    private void heal() {
        onLane(faults::clear);
    }

    private void releaseHung() {
        onLane(faults::clear);
        onLane(faults::releaseHung);
    }

    /** Starts a request and does not wait for its end. */
    private static CompletableFuture<IoStatus> start(
            ActiveVdi vdi, BlockOp op, long offset, MemorySegment memory) {
        CompletableFuture<IoStatus> done = new CompletableFuture<>();
        long length = memory == null ? 0 : memory.byteSize();
        vdi.lane()
                .submit(
                        vdi.device(),
                        op,
                        0,
                        offset,
                        length,
                        memory,
                        0,
                        request -> {
                            IoStatus status = request.status;
                            request.context.release(request);
                            done.complete(status);
                        });
        return done;
    }

    private static MemorySegment memory(int length) {
        return Arena.ofAuto().allocate(length, 4096);
    }

    @Test
    void aFailedAllocationLosesNoBlock() throws IOException {
        Path file = create("disk.vhd", format);
        long empty = Files.size(file);
        ActiveVdi vdi = activate(file);
        DiskClient client = new DiskClient(vdi);
        long at = 9L * BLOCK;
        byte[] data = pattern(8192, 1);
        strike(FaultFilter.Rule.everywhere(Set.of(BlockOp.WRITE), IoStatus.IO_ERROR));
        assertEquals(IoStatus.IO_ERROR, client.tryWrite(at, data, 0));
        assertEquals(IoStatus.IO_ERROR, client.tryWrite(at + 4096, data, 0));
        assertArrayEquals(new byte[16384], client.read(at, 16384));
        heal();
        client.write(at, data);
        client.flush();
        assertArrayEquals(data, client.read(at, 8192));
        vdi.close(operation);
        long most = empty + BLOCK + 2 * 4096;
        assertTrue(Files.size(file) <= most, "the failed places are used again");
        ActiveVdi again = activate(file);
        assertArrayEquals(data, new DiskClient(again).read(at, 8192));
        again.close(operation);
    }

    /** Other programs leave room before the footer at the end, and anything may lie there. */
    @Test
    void whatLiesBehindTheLastBlockNeverShowsInANewOne() throws IOException {
        Path file = create("disk.vhd", format);
        byte[] image = Files.readAllBytes(file);
        byte[] roomy = Arrays.copyOf(image, image.length + 3 * BLOCK);
        Arrays.fill(roomy, image.length - 512, roomy.length, (byte) 0xEE);
        System.arraycopy(image, 0, roomy, roomy.length - 512, 512);
        Files.write(file, roomy);
        ActiveVdi vdi = activate(file);
        DiskClient client = new DiskClient(vdi);
        strike(FaultFilter.Rule.everywhere(Set.of(BlockOp.WRITE_ZEROES), IoStatus.IO_ERROR));
        assertEquals(IoStatus.IO_ERROR, client.tryWrite(BLOCK, new byte[512], 0));
        heal();
        client.write(BLOCK + 4096, pattern(512, 1));
        client.flush();
        byte[] expected = new byte[BLOCK];
        System.arraycopy(pattern(512, 1), 0, expected, 4096, 512);
        assertArrayEquals(expected, client.read(BLOCK, BLOCK));
        vdi.close(operation);
        byte[] closed = Files.readAllBytes(file);
        int data = closed.length - 512 - BLOCK;
        assertArrayEquals(expected, Arrays.copyOfRange(closed, data, data + BLOCK));
    }

    @Test
    void aFullVolumeFailsWritesAndHealsWhenThereIsRoom() {
        Path file = create("disk.vhd", format);
        ActiveVdi vdi = activate(file);
        DiskClient client = new DiskClient(vdi);
        client.write(0, pattern(4096, 1));
        client.flush();
        strike(FaultFilter.Rule.everywhere(CHANGES, IoStatus.NO_SPACE));
        assertEquals(IoStatus.NO_SPACE, client.tryWrite(5L * BLOCK, pattern(4096, 2), 0));
        assertEquals(IoStatus.NO_SPACE, client.tryWrite(4096, pattern(4096, 2), 0));
        assertArrayEquals(pattern(4096, 1), client.read(0, 4096));
        client.flush();
        heal();
        client.write(5L * BLOCK, pattern(4096, 2));
        client.flush();
        vdi.close(operation);
    }

    @Test
    void aFailedFlushStaysUntilTheImageIsOpenedAgain() {
        Path file = create("disk.vhd", format);
        ActiveVdi vdi = activate(file);
        DiskClient client = new DiskClient(vdi);
        byte[] data = pattern(4096, 3);
        client.write(BLOCK, data);
        strike(FaultFilter.Rule.everywhere(Set.of(BlockOp.FLUSH), IoStatus.IO_ERROR));
        assertEquals(IoStatus.IO_ERROR, client.run(BlockOp.FLUSH, 0, 0, 0, null));
        heal();
        assertEquals(IoStatus.IO_ERROR, client.run(BlockOp.FLUSH, 0, 0, 0, null));
        assertEquals(IoStatus.IO_ERROR, client.tryWrite(BLOCK, data, BlockRequest.FUA));
        assertEquals(IoStatus.IO_ERROR, client.tryWrite(7L * BLOCK, data, BlockRequest.FUA));
        assertArrayEquals(data, client.read(BLOCK, 4096));
        StorageException failed = assertThrows(StorageException.class, () -> vdi.close(operation));
        assertEquals(ErrorCode.SR_IO_ERROR, failed.code());
        ActiveVdi again = activate(file);
        DiskClient healed = new DiskClient(again);
        healed.writeDurably(BLOCK, data);
        healed.flush();
        assertArrayEquals(data, healed.read(BLOCK, 4096));
        again.close(operation);
    }

    /** The system tells of lost data once; the flush after that used to succeed. */
    @Test
    void aFailedFlushOfARawDiskStaysToo() {
        Path file = create("disk.raw", raw);
        ActiveVdi vdi = activate(new FileVolume(file, true), raw, faults);
        DiskClient client = new DiskClient(vdi);
        client.write(0, pattern(4096, 3));
        strike(FaultFilter.Rule.everywhere(Set.of(BlockOp.FLUSH), IoStatus.IO_ERROR));
        assertEquals(IoStatus.IO_ERROR, client.run(BlockOp.FLUSH, 0, 0, 0, null));
        heal();
        assertEquals(IoStatus.IO_ERROR, client.run(BlockOp.FLUSH, 0, 0, 0, null));
        assertThrows(StorageException.class, () -> vdi.close(operation));
        ActiveVdi again = activate(new FileVolume(file, true), raw);
        new DiskClient(again).flush();
        again.close(operation);
    }

    @Test
    void metadataThatCannotBeWrittenFailsTheFlush() {
        Path file = create("disk.vhd", format);
        ActiveVdi vdi = activate(file);
        DiskClient client = new DiskClient(vdi);
        byte[] data = pattern(4096, 3);
        client.write(BLOCK, data);
        strike(FaultFilter.Rule.everywhere(Set.of(BlockOp.WRITE), IoStatus.IO_ERROR));
        assertEquals(IoStatus.IO_ERROR, client.run(BlockOp.FLUSH, 0, 0, 0, null));
        heal();
        assertEquals(IoStatus.IO_ERROR, client.run(BlockOp.FLUSH, 0, 0, 0, null));
        assertArrayEquals(data, client.read(BLOCK, 4096));
        assertThrows(StorageException.class, () -> vdi.close(operation));
    }

    @Test
    void aBitmapThatCannotBeReadFailsTheRequestAndNotTheDisk() {
        Path file = create("disk.vhd", format);
        byte[] data = pattern(4096, 4);
        ActiveVdi first = activate(file);
        new DiskClient(first).write(BLOCK, data);
        new DiskClient(first).write(2L * BLOCK, data);
        first.close(operation);
        ActiveVdi vdi = activate(file);
        DiskClient client = new DiskClient(vdi);
        client.read(20L * BLOCK, 4096); // with the table in memory
        strike(FaultFilter.Rule.everywhere(Set.of(BlockOp.READ), IoStatus.IO_ERROR));
        MemorySegment memory = memory(3 * BLOCK);
        assertEquals(IoStatus.IO_ERROR, client.run(BlockOp.READ, 0, BLOCK, 4096, memory));
        assertEquals(IoStatus.IO_ERROR, client.run(BlockOp.READ, 0, 0, 3 * BLOCK, memory));
        assertEquals(IoStatus.IO_ERROR, client.tryWrite(BLOCK, data, 0));
        assertArrayEquals(new byte[4096], client.read(20L * BLOCK, 4096));
        heal();
        assertArrayEquals(data, client.read(BLOCK, 4096));
        client.write(BLOCK + 8192, data);
        client.flush();
        vdi.close(operation);
    }

    @Test
    void aTableThatCannotBeReadFailsTheRequestAndNotTheDisk() {
        Path file = create("disk.vhd", format);
        byte[] data = pattern(4096, 4);
        ActiveVdi first = activate(file);
        new DiskClient(first).write(BLOCK, data);
        first.close(operation);
        ActiveVdi vdi = activate(file);
        DiskClient client = new DiskClient(vdi);
        strike(FaultFilter.Rule.everywhere(Set.of(BlockOp.READ), IoStatus.IO_ERROR));
        assertEquals(IoStatus.IO_ERROR, client.run(BlockOp.READ, 0, BLOCK, 4096, memory(4096)));
        assertEquals(IoStatus.IO_ERROR, client.tryWrite(3L * BLOCK, data, 0));
        heal();
        assertArrayEquals(data, client.read(BLOCK, 4096));
        client.write(3L * BLOCK, data);
        client.flush();
        vdi.close(operation);
    }

    /**
     * Whether a write with FUA needs a commit was decided by its first block alone; the second one
     * here is new, and its entry in the table was left to the timer.
     */
    @Test
    void aDurableWriteOverTwoBlocksIsDurableInBoth() throws IOException {
        Path file = create("disk.vhd", format);
        ActiveVdi vdi = activate(file);
        DiskClient client = new DiskClient(vdi);
        client.write(0, pattern(BLOCK, 1));
        client.flush();
        byte[] data = pattern(8192, 2);
        client.writeDurably(BLOCK - 4096, data);
        Path copy = Files.copy(file, directory.resolve("copy.vhd"));
        ActiveVdi recovered = activate(new FileVolume(copy, true), format);
        assertArrayEquals(data, new DiskClient(recovered).read(BLOCK - 4096, 8192));
        recovered.close(operation);
        vdi.close(operation);
    }

    /**
     * <pre>
     * flush        ---- waits for the device ------------------------> done
     * writes            9000 new blocks, each with a bitmap to write
     * flush             waits for the first ------------------------------> commits 9000 bitmaps
     * </pre>
     */
    @Test
    void aCommitMayBeLargerThanABuffer() throws Exception {
        int blocks = 9000;
        int blockBytes = 64 << 10;
        Path file = directory.resolve("wide.vhd");
        VhdImageBuilder image =
                new VhdImageBuilder((long) blocks * blockBytes).blockBytes(blockBytes);
        Files.write(file, image.build());
        ActiveVdi vdi = activate(file);
        strike(FaultFilter.Rule.hang(Set.of(BlockOp.FLUSH)));
        CompletableFuture<IoStatus> flush = start(vdi, BlockOp.FLUSH, 0, null);
        MemorySegment data = memory(512);
        data.fill((byte) 7);
        CountDownLatch written = new CountDownLatch(blocks);
        for (int i = 0; i < blocks; i++) {
            CompletableFuture<IoStatus> write =
                    start(vdi, BlockOp.WRITE, (long) i * blockBytes + 1024, data);
            var _ = write.thenAccept(status -> written.countDown());
        }
        assertTrue(written.await(60, TimeUnit.SECONDS));
        CompletableFuture<IoStatus> second = start(vdi, BlockOp.FLUSH, 0, null);
        releaseHung();
        assertEquals(IoStatus.OK, flush.orTimeout(60, TimeUnit.SECONDS).join());
        assertEquals(IoStatus.OK, second.orTimeout(60, TimeUnit.SECONDS).join());
        vdi.close(operation);
        ActiveVdi again = activate(new FileVolume(file, true), format);
        DiskClient client = new DiskClient(again);
        byte[] expected = data.toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
        for (int i = 0; i < blocks; i += 999) {
            assertArrayEquals(expected, client.read((long) i * blockBytes + 1024, 512));
        }
        again.close(operation);
    }

    @Test
    void aDiskThatDoesNotAnswerDelaysNoOther() throws Exception {
        WatchedVolume volume = new WatchedVolume(create("stuck.vhd", format));
        ActiveVdi stuck = activate(volume, format, volume.watch(), faults);
        ActiveVdi other = activate(new FileVolume(create("other.vhd", format), true), format);
        strike(FaultFilter.Rule.hang(EnumSet.allOf(BlockOp.class)));
        CompletableFuture<IoStatus> write = start(stuck, BlockOp.WRITE, 0, memory(4096));
        CompletableFuture<IoStatus> flush = start(stuck, BlockOp.FLUSH, 0, null);
        DiskClient client = new DiskClient(other);
        for (int i = 0; i < 200; i++) {
            client.write(4096L * i, pattern(4096, i));
            assertArrayEquals(pattern(4096, i), client.read(4096L * i, 4096));
        }
        client.flush();
        assertFalse(write.isDone());

        long start = System.nanoTime();
        StorageException late =
                assertThrows(
                        StorageException.class,
                        () -> stuck.close(Operation.within("close", clock, 2, TimeUnit.SECONDS)));
        assertEquals(ErrorCode.DEVICE_DETACH_TIMEOUT, late.code());
        assertTrue(System.nanoTime() - start < TimeUnit.SECONDS.toNanos(5));
        assertTrue(engine.find(stuck.uuid()).isEmpty());
        assertEquals(1, volume.closed.getCount(), "the storage still has requests");
        assertEquals(IoStatus.CANCELLED, new DiskClient(stuck).tryWrite(0, new byte[512], 0));
        client.write(0, pattern(4096, 1));

        releaseHung();
        assertEquals(IoStatus.OK, write.orTimeout(30, TimeUnit.SECONDS).join());
        flush.orTimeout(30, TimeUnit.SECONDS).join();
        assertTrue(volume.closed.await(30, TimeUnit.SECONDS));
        clock.skip(TimeUnit.SECONDS.toNanos(10));
        onLane(() -> {});
        client.flush();
        assertEquals(null, volume.tooLate, "nothing reaches a volume that is closed");
        other.close(operation);
    }

    /** The commit of a close that the storage does not answer is not just an error. */
    @Test
    void aCloseWhoseFlushIsNotAnsweredSaysThatTheDiskIsNotFree() throws Exception {
        WatchedVolume volume = new WatchedVolume(create("stuck.vhd", format));
        ActiveVdi stuck = activate(volume, format, volume.watch(), faults);
        new DiskClient(stuck).write(0, pattern(4096, 1));
        strike(FaultFilter.Rule.hang(Set.of(BlockOp.FLUSH)));
        StorageException late =
                assertThrows(
                        StorageException.class,
                        () ->
                                stuck.close(
                                        Operation.within(
                                                "close", clock, 500, TimeUnit.MILLISECONDS)));
        assertEquals(ErrorCode.DEVICE_DETACH_TIMEOUT, late.code());
        assertEquals(1, volume.closed.getCount());
        releaseHung();
        assertTrue(volume.closed.await(30, TimeUnit.SECONDS));
        clock.skip(TimeUnit.SECONDS.toNanos(10));
        onLane(() -> {});
        assertEquals(null, volume.tooLate);
    }

    /** Opening gives up at its deadline; its read is still with the storage then. */
    @Test
    void anActivationThatGivesUpClosesTheVolumeWhenTheStorageAnswers() throws Exception {
        WatchedVolume volume = new WatchedVolume(create("stuck.vhd", format));
        strike(FaultFilter.Rule.hang(Set.of(BlockOp.READ)));
        Operation soon = Operation.within("activate", clock, 300, TimeUnit.MILLISECONDS);
        StorageException late =
                assertThrows(
                        StorageException.class,
                        () ->
                                engine.activate(
                                        new UUID(5, 5),
                                        new VdiEngine.Leaf(volume, format, ParentSource.NONE),
                                        true,
                                        soon,
                                        List.of(volume.watch(), faults),
                                        List.of()));
        assertEquals(ErrorCode.OPERATION_TIMED_OUT, late.code());
        assertEquals(1, volume.closed.getCount());
        releaseHung();
        assertTrue(volume.closed.await(30, TimeUnit.SECONDS));
        assertEquals(null, volume.tooLate);
    }

    @Test
    void aResizeThatTheStorageDoesNotAnswerChangesNothing() {
        Path file = create("disk.vhd", format);
        ActiveVdi vdi = activate(file);
        strike(FaultFilter.Rule.hang(Set.of(BlockOp.WRITE)));
        CompletableFuture<IoStatus> write = start(vdi, BlockOp.WRITE, 0, memory(4096));
        Operation soon = Operation.within("resize", clock, 200, TimeUnit.MILLISECONDS);
        StorageException late =
                assertThrows(StorageException.class, () -> vdi.resize(2 * SIZE, soon));
        assertEquals(ErrorCode.VDI_RESIZE, late.code());
        assertEquals(SIZE, vdi.device().geometry().sizeBytes());
        releaseHung();
        assertEquals(IoStatus.OK, write.orTimeout(30, TimeUnit.SECONDS).join());
        vdi.resize(2 * SIZE, operation);
        new DiskClient(vdi).write(2 * SIZE - 512, new byte[512]);
        vdi.close(operation);
    }

    @Test
    void dirtyMetadataIsWrittenWithinASecondWithoutAFlush() throws IOException {
        Path file = create("disk.vhd", format);
        ActiveVdi vdi = activate(file);
        byte[] data = pattern(4096, 9);
        new DiskClient(vdi).write(4L * BLOCK, data);
        clock.skip(TimeUnit.SECONDS.toNanos(1));
        vdi.lane().wake();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        byte[] found = new byte[0];
        for (int i = 0; !Arrays.equals(found, data); i++) {
            assertTrue(System.nanoTime() < deadline, "the metadata was written");
            Path copy = Files.copy(file, directory.resolve("copy" + i + ".vhd"));
            ActiveVdi recovered = activate(new FileVolume(copy, true), format);
            found = new DiskClient(recovered).read(4L * BLOCK, 4096);
            recovered.close(operation);
        }
        vdi.close(operation);
    }

    @Test
    void twoActivationsOfOneDiskDoNotBothSucceed() {
        Path file = create("disk.vhd", format);
        ActiveVdi vdi = activate(file);
        StorageException refused =
                assertThrows(
                        StorageException.class,
                        () ->
                                engine.activate(
                                        vdi.uuid(),
                                        new FileVolume(file, true),
                                        format,
                                        true,
                                        operation));
        assertEquals(ErrorCode.SR_VDI_IN_USE, refused.code());
        new DiskClient(vdi).flush();
        vdi.close(operation);
    }

    /**
     * The storage was only slow: what had not been flushed when the disk was taken away is there.
     */
    @Test
    void aCloseThatGaveUpGoesOnWhenTheStorageAnswers() throws Exception {
        Path file = create("slow.vhd", format);
        WatchedVolume volume = new WatchedVolume(file);
        ActiveVdi slow = activate(volume, format, volume.watch(), faults);
        new DiskClient(slow).write(5 << 20, pattern(4096, 9));
        strike(FaultFilter.Rule.hang(Set.of(BlockOp.FLUSH)));
        Operation soon = Operation.within("close", clock, 300, TimeUnit.MILLISECONDS);
        assertThrows(StorageException.class, () -> slow.close(soon));
        releaseHung();
        assertTrue(volume.closed.await(30, TimeUnit.SECONDS));
        try (OpenVolume open = engine.open(new FileVolume(file, false), false)) {
            assertTrue(format.inspect(open.access(operation)).clean());
        }
        ActiveVdi again = activate(file);
        assertArrayEquals(pattern(4096, 9), new DiskClient(again).read(5 << 20, 4096));
        again.close(operation);
    }

    /**
     * A guest writes what looks like the footer of a fixed disk of just the right size into its
     * last sector. If that sector were ever the last of the volume, a crash would turn the metadata
     * of the image into the content of the disk.
     */
    @Test
    void aGuestCannotMakeItsImageLookLikeAnother() throws IOException {
        Path file = create("disk.vhd", format);
        ActiveVdi vdi = activate(file);
        new DiskClient(vdi).write(SIZE - 4096, pattern(4096, 1));
        vdi.close(operation);
        long dataEnd = Files.size(file) - 512;
        byte[] footer = Files.readAllBytes(file);
        byte[] fixed = java.util.Arrays.copyOf(footer, 512);
        ByteBuffer fields = ByteBuffer.wrap(fixed);
        fields.putLong(16, -1L).putLong(48, dataEnd - 512).putInt(60, 2).putInt(64, 0);
        int sum = 0;
        for (byte b : fixed) {
            sum += b & 0xFF;
        }
        fields.putInt(64, ~sum);
        vdi = activate(file);
        new DiskClient(vdi).write(SIZE - 512, fixed);
        vdi.close(operation);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(dataEnd + 512).write(ByteBuffer.allocate(512), dataEnd);
        }
        ActiveVdi opened = activate(file);
        Path afterCrash = directory.resolve("crash.vhd");
        Files.copy(file, afterCrash);
        opened.close(operation);
        try (OpenVolume open = engine.open(new FileVolume(afterCrash, false), false)) {
            assertEquals(SIZE, format.inspect(open.access(operation)).sizeBytes());
        }
    }
}
