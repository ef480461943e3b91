// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** Real file systems that become full, or are lost while they are used. */
@Tag("real")
class FullAndLostFileSystemsTest {
    private static final long SIZE = 256 << 20;
    private static final int BLOCK = 2 << 20;

    @TempDir Path directory;
    private final Operation operation =
            Operation.within("test", Clock.system(), 60, TimeUnit.SECONDS);
    private final VhdFormat format = new VhdFormat(Clock.system());
    private VdiEngine engine;
    private Path mounted;
    private volatile Throwable trouble;

    @BeforeEach
    void requireTools() throws IOException {
        Tool.require("mkfs.ext4", "mount", "umount", "qemu-img", "vhdiinfo", "python3");
        Tool.requireRoot();
    }

    private void start(EngineContext.Backend backend) {
        EngineContext context =
                EngineContext.defaults(Clock.system(), (lane, thrown) -> trouble = thrown);
        engine = new VdiEngine(context.withBackend(backend).withLanes(1));
    }

    @AfterEach
    void stop() throws Exception {
        if (engine != null) {
            engine.close();
        }
        if (mounted != null) {
            Tool.run("umount", "-l", mounted.toString());
        }
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    private Path mount(String type) throws Exception {
        Path point = Files.createDirectory(directory.resolve("mnt"));
        if (type.equals("tmpfs")) {
            Tool.run("mount", "-t", "tmpfs", "-o", "size=64m", "none", point.toString());
        } else {
            Path image = directory.resolve("fs.img");
            Tool.run("truncate", "-s", "96M", image.toString());
            Tool.run("mkfs.ext4", "-q", "-m", "0", image.toString());
            Tool.run("mount", "-o", "loop", image.toString(), point.toString());
        }
        mounted = point;
        return point;
    }

    private static byte[] pattern(int length, long seed) {
        byte[] data = new byte[length];
        new Random(seed).nextBytes(data);
        return data;
    }

    private Path create(Path file, ImageFormat wanted) {
        try {
            Files.createFile(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        try (OpenVolume open = engine.open(new FileVolume(file, true), true)) {
            wanted.create(
                    open.access(operation), ImageSpec.plain(UUID.randomUUID(), SIZE), operation);
        }
        return file;
    }

    private ActiveVdi activate(Path file, ImageFormat wanted) {
        return engine.activate(
                UUID.randomUUID(), new FileVolume(file, true), wanted, true, operation);
    }

    /** Writes blocks until one is refused; tells how many were not. */
    private static int fill(DiskClient client) {
        for (int block = 1; block < SIZE / BLOCK; block++) {
            IoStatus status = client.tryWrite((long) block * BLOCK, pattern(BLOCK, block), 0);
            if (status != IoStatus.OK) {
                assertEquals(IoStatus.NO_SPACE, status);
                return block;
            }
        }
        throw new AssertionError("the file system did not become full");
    }

    @ParameterizedTest
    @CsvSource({"ext4, IO_URING", "ext4, POOL", "tmpfs, IO_URING", "tmpfs, POOL"})
    void aFullFileSystemFailsWritesUntilThereIsRoom(String type, EngineContext.Backend backend)
            throws Exception {
        start(backend);
        Path point = mount(type);
        Path other = Files.write(point.resolve("other"), new byte[16 << 20]);
        Path file = create(point.resolve("disk.vhd"), format);
        ActiveVdi vdi = activate(file, format);
        DiskClient client = new DiskClient(vdi);
        client.write(0, pattern(BLOCK, 0));
        client.flush();
        int full = fill(client);
        assertTrue(full > 3, "some blocks fit");
        for (int block = 0; block < full; block++) {
            assertArrayEquals(
                    pattern(BLOCK, block), client.read((long) block * BLOCK, BLOCK), "" + block);
        }
        client.flush();
        Files.delete(other);
        client.write((long) full * BLOCK, pattern(BLOCK, full));
        client.flush();
        vdi.close(operation);
        Path raw = directory.resolve("raw.img");
        Tool.run("qemu-img", "convert", "-f", "vpc", "-O", "raw", file.toString(), raw.toString());
        byte[] content = Files.readAllBytes(raw);
        for (int block = 0; block <= full; block++) {
            byte[] found =
                    java.util.Arrays.copyOfRange(content, block * BLOCK, (block + 1) * BLOCK);
            assertArrayEquals(pattern(BLOCK, block), found, "block " + block);
        }
    }

    /**
     * Not a single block is left, not even for the footer; what was flushed is safe all the same.
     */
    @ParameterizedTest
    @CsvSource({"ext4, IO_URING", "tmpfs, POOL"})
    void aDiskThatClosesOnAFullFileSystemIsOnlyUnclean(String type, EngineContext.Backend backend)
            throws Exception {
        start(backend);
        Path point = mount(type);
        Path rest = Files.write(point.resolve("other"), new byte[16 << 20]);
        Path file = create(point.resolve("disk.vhd"), format);
        ActiveVdi vdi = activate(file, format);
        DiskClient client = new DiskClient(vdi);
        int full = fill(client);
        Tool.tryRun("dd", "if=/dev/zero", "of=" + point.resolve("rest"), "bs=4k");
        client.flush();
        try {
            vdi.close(operation);
        } catch (StorageException e) {
            assertEquals(ErrorCode.SR_NO_SPACE, e.code());
        }
        assertTrue(engine.find(vdi.uuid()).isEmpty());
        Tool.run("qemu-img", "info", "-f", "vpc", file.toString());
        Files.delete(rest);
        ActiveVdi again = activate(file, format);
        for (int block = 1; block < full; block += 5) {
            byte[] found = new DiskClient(again).read((long) block * BLOCK, BLOCK);
            assertArrayEquals(pattern(BLOCK, block), found);
        }
        again.close(operation);
        Tool.run("vhdiinfo", file.toString());
        try (OpenVolume open = engine.open(new FileVolume(file, false), false)) {
            assertTrue(format.inspect(open.access(operation)).clean());
        }
    }

    @Test
    void creatingADiskOnAFullFileSystemSaysSo() throws Exception {
        start(EngineContext.Backend.AUTO);
        Path point = mount("ext4");
        Tool.tryRun("dd", "if=/dev/zero", "of=" + point.resolve("rest"), "bs=64k");
        StorageException full =
                assertThrows(
                        StorageException.class, () -> create(point.resolve("disk.vhd"), format));
        assertEquals(ErrorCode.SR_NO_SPACE, full.code());
    }

    /** What a controller that dies looks like to the file system above. */
    @ParameterizedTest
    @CsvSource({"IO_URING, vhd", "POOL, vhd", "IO_URING, raw"})
    void aFileSystemThatIsLostUnderLoadHarmsNoOtherDisk(EngineContext.Backend backend, String kind)
            throws Exception {
        start(backend);
        Path point = mount("ext4");
        ImageFormat lostFormat = kind.equals("raw") ? new RawFormat() : format;
        ActiveVdi lost = activate(create(point.resolve("lost"), lostFormat), lostFormat);
        Path otherFile = create(directory.resolve("other.vhd"), format);
        ActiveVdi other = activate(otherFile, format);
        DiskClient client = new DiskClient(lost);
        DiskClient healthy = new DiskClient(other);
        client.write(0, pattern(4096, 1));
        client.flush();
        Thread load =
                Thread.ofVirtual()
                        .start(
                                () -> {
                                    for (int i = 1; i < 3000; i++) {
                                        client.tryWrite(4096L * i, pattern(4096, i), 0);
                                    }
                                });
        Tool.run(
                "python3",
                "-c",
                "import fcntl,os,struct,sys; fd=os.open(sys.argv[1], os.O_RDONLY);"
                        + " fcntl.ioctl(fd, 0x8004587d, struct.pack('I', 2))",
                point.toString());
        load.join();
        assertEquals(IoStatus.IO_ERROR, client.tryWrite(8L * BLOCK, pattern(4096, 1), 0));
        assertNotEquals(IoStatus.OK, client.run(BlockOp.FLUSH, 0, 0, 0, null));
        for (int i = 0; i < 50; i++) {
            healthy.write(4096L * i, pattern(4096, i));
        }
        healthy.flush();
        StorageException failed = assertThrows(StorageException.class, () -> lost.close(operation));
        assertEquals(ErrorCode.SR_IO_ERROR, failed.code());
        assertTrue(engine.find(lost.uuid()).isEmpty());
        assertArrayEquals(pattern(4096, 7), healthy.read(4096L * 7, 4096));
        other.close(operation);

        Tool.run("umount", point.toString());
        mounted = null;
        Path image = directory.resolve("fs.img");
        Tool.run("mount", "-o", "loop", image.toString(), point.toString());
        mounted = point;
        ActiveVdi again = activate(point.resolve("lost"), lostFormat);
        assertArrayEquals(pattern(4096, 1), new DiskClient(again).read(0, 4096));
        again.close(operation);
    }
}
