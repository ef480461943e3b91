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
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.ExtentList;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** A VHD disk on a lane, over each backend. */
class VhdDiskTest {
    private static final long SIZE = 64 << 20;
    private static final int BLOCK = 2 << 20;

    @TempDir Path directory;
    private final Operation operation =
            Operation.within("test", Clock.system(), 60, TimeUnit.SECONDS);
    private final VhdFormat format = new VhdFormat(Clock.system());
    private VdiEngine engine;
    private Throwable trouble;

    private void start(EngineContext.Backend backend) {
        EngineContext context =
                EngineContext.defaults(Clock.system(), (lane, thrown) -> trouble = thrown);
        engine = new VdiEngine(context.withBackend(backend).withLanes(1));
    }

    @AfterEach
    void stop() {
        engine.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    private Path create() throws IOException {
        Path file = directory.resolve("disk.vhd");
        Files.createFile(file);
        try (OpenVolume open = engine.open(new FileVolume(file, true), true)) {
            format.create(
                    open.access(operation), ImageSpec.plain(UUID.randomUUID(), SIZE), operation);
        }
        return file;
    }

    private ActiveVdi activate(Path file) {
        return engine.activate(
                UUID.randomUUID(), new FileVolume(file, true), format, true, operation);
    }

    private ImageInfo inspect(Path file) {
        try (OpenVolume open = engine.open(new FileVolume(file, false), false)) {
            return format.inspect(open.access(operation));
        }
    }

    private static byte[] pattern(int length, long seed) {
        byte[] data = new byte[length];
        new Random(seed).nextBytes(data);
        return data;
    }

    @ParameterizedTest
    @EnumSource(
            value = EngineContext.Backend.class,
            names = {"IO_URING", "POOL"})
    void keepsWhatWasWrittenAcrossCloseAndOpen(EngineContext.Backend backend) throws IOException {
        start(backend);
        Path file = create();
        byte[] big = pattern(3 * BLOCK, 1);
        byte[] small = pattern(512, 2);
        ActiveVdi vdi = activate(file);
        DiskClient client = new DiskClient(vdi);
        client.write(BLOCK / 2, big);
        client.write(20L * BLOCK + 1024, small);
        assertArrayEquals(big, client.read(BLOCK / 2, big.length));
        vdi.close(operation);
        assertTrue(inspect(file).clean());
        ActiveVdi again = activate(file);
        DiskClient reader = new DiskClient(again);
        assertArrayEquals(big, reader.read(BLOCK / 2, big.length));
        assertArrayEquals(small, reader.read(20L * BLOCK + 1024, 512));
        assertArrayEquals(new byte[1024], reader.read(20L * BLOCK, 1024));
        assertArrayEquals(new byte[4096], reader.read(20L * BLOCK + 1536, 4096));
        again.close(operation);
    }

    @ParameterizedTest
    @EnumSource(
            value = EngineContext.Backend.class,
            names = {"IO_URING", "POOL"})
    void keepsWhatWasFlushedWithoutAClose(EngineContext.Backend backend) throws IOException {
        start(backend);
        Path file = create();
        byte[] data = pattern(BLOCK + 8192, 3);
        DiskClient client = new DiskClient(activate(file));
        client.write(4096, data);
        client.flush();
        client.writeDurably(40L << 20, pattern(4096, 4));
        Path copy = directory.resolve("copy.vhd");
        Files.copy(file, copy);
        assertFalse(inspect(copy).clean());
        ActiveVdi recovered = activate(copy);
        DiskClient reader = new DiskClient(recovered);
        assertArrayEquals(data, reader.read(4096, data.length));
        assertArrayEquals(pattern(4096, 4), reader.read(40L << 20, 4096));
        recovered.close(operation);
        assertTrue(inspect(copy).clean());
    }

    @ParameterizedTest
    @EnumSource(
            value = EngineContext.Backend.class,
            names = {"IO_URING", "POOL"})
    void tellsWhatHoldsDataAndGivesSpaceBack(EngineContext.Backend backend) throws IOException {
        start(backend);
        ActiveVdi vdi = activate(create());
        DiskClient client = new DiskClient(vdi);
        client.write(BLOCK + 4096, pattern(8192, 5));
        ExtentList extents = client.extents(0, 4L * BLOCK);
        assertEquals(3, extents.count());
        assertEquals(BLOCK + 4096, extents.length(0));
        assertFalse(extents.isData(0));
        assertEquals(8192, extents.length(1));
        assertTrue(extents.isData(1));
        client.writeZeroes(BLOCK + 4096, 4096, 0);
        assertArrayEquals(new byte[4096], client.read(BLOCK + 4096, 4096));
        client.discard(0, SIZE);
        assertArrayEquals(new byte[8192], client.read(BLOCK + 4096, 8192));
        client.writeZeroes(0, SIZE, BlockRequest.NO_HOLE);
        assertArrayEquals(new byte[BLOCK], client.read(SIZE - BLOCK, BLOCK));
        assertTrue(client.extents(0, SIZE).isData(0));
        vdi.close(operation);
    }

    @ParameterizedTest
    @EnumSource(
            value = EngineContext.Backend.class,
            names = {"IO_URING", "POOL"})
    void growsWhileInUse(EngineContext.Backend backend) throws IOException {
        start(backend);
        Path file = create();
        ActiveVdi vdi = activate(file);
        DiskClient client = new DiskClient(vdi);
        byte[] data = pattern(BLOCK, 6);
        client.write(SIZE - BLOCK, data);
        vdi.resize(3 * SIZE, operation);
        assertEquals(3 * SIZE, vdi.device().geometry().sizeBytes());
        client.write(3 * SIZE - BLOCK, data);
        assertArrayEquals(data, client.read(SIZE - BLOCK, BLOCK));
        assertArrayEquals(new byte[BLOCK], client.read(SIZE, BLOCK));
        vdi.close(operation);
        ImageInfo info = inspect(file);
        assertEquals(3 * SIZE, info.sizeBytes());
        assertTrue(info.clean());
    }

    @ParameterizedTest
    @EnumSource(
            value = EngineContext.Backend.class,
            names = {"IO_URING", "POOL"})
    void refusesWhatIsOutsideOrUnaligned(EngineContext.Backend backend) throws IOException {
        start(backend);
        ActiveVdi vdi = activate(create());
        DiskClient client = new DiskClient(vdi);
        assertEquals(IoStatus.INVALID, client.tryWrite(SIZE, new byte[512], 0));
        assertEquals(IoStatus.INVALID, client.tryWrite(SIZE - 512, new byte[1024], 0));
        assertEquals(IoStatus.INVALID, client.tryWrite(100, new byte[512], 0));
        assertEquals(IoStatus.INVALID, client.tryWrite(-512, new byte[512], 0));
        vdi.close(operation);
        assertEquals(IoStatus.CANCELLED, client.tryWrite(0, new byte[512], 0));
    }

    @ParameterizedTest
    @EnumSource(
            value = EngineContext.Backend.class,
            names = {"IO_URING", "POOL"})
    void holdsManyRandomWritesAgainstAModel(EngineContext.Backend backend) throws IOException {
        start(backend);
        Path file = create();
        ActiveVdi vdi = activate(file);
        byte[] model = new byte[(int) SIZE];
        Random random = new Random(7);
        DiskClient client = new DiskClient(vdi);
        for (int i = 0; i < 300; i++) {
            int length = 512 * (1 + random.nextInt(64));
            int offset = 512 * random.nextInt((int) (SIZE - length) / 512);
            byte[] data = pattern(length, i);
            client.write(offset, data);
            System.arraycopy(data, 0, model, offset, length);
        }
        for (int at = 0; at < SIZE; at += BLOCK) {
            byte[] expected = Arrays.copyOfRange(model, at, at + BLOCK);
            assertArrayEquals(expected, client.read(at, BLOCK), "at " + at);
        }
        vdi.close(operation);
    }

    @ParameterizedTest
    @EnumSource(
            value = EngineContext.Backend.class,
            names = {"IO_URING", "POOL"})
    void refusesATruncatedImage(EngineContext.Backend backend) throws IOException {
        start(backend);
        Path file = create();
        ActiveVdi vdi = activate(file);
        new DiskClient(vdi).write(0, pattern(4096, 8));
        vdi.close(operation);
        try (var channel =
                java.nio.channels.FileChannel.open(file, java.nio.file.StandardOpenOption.WRITE)) {
            channel.truncate(channel.size() - 4096);
        }
        StorageException refused = assertThrows(StorageException.class, () -> activate(file));
        assertEquals(ErrorCode.VDI_LOAD, refused.code());
    }
}
