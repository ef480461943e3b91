// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.varve.hv.testing.TestDaemon;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * Two repositories on devices, both with a client that writes. The file system of one is shut down,
 * as when its device goes away: what its client has flushed must be there after it has healed, and
 * the client of the other one must not notice anything.
 */
@Tag("real")
class ExtUnderLoadTest {
    /** Where the first extent of a volume group lies, behind 10 MiB of metadata. */
    private static final long FIRST_EXTENT = 11L << 20;

    private static final String PYTHON = "/usr/bin/python3";

    /**
     * Writes blocks with their numbers all over the disk, flushes after every 16th, and then says
     * how many it has flushed. Ends when its input does, or when something fails.
     */
    private static final String WRITER =
            """
            import nbd, select, struct, sys
            h = nbd.NBD()
            h.connect_uri(sys.argv[1])
            n = 0
            try:
                while not select.select([sys.stdin], [], [], 0)[0]:
                    for n in range(n + 1, n + 17):
                        h.pwrite(struct.pack('>Q', n) * 512, (n * 7919 % 16384) * 4096)
                    h.flush()
                    print('flushed', n, flush=True)
                print('ended', n, flush=True)
            except nbd.Error as e:
                print('failed', e.errno, flush=True)
            """;

    /** Compares: each block holds the last number that was flushed for it, or a later one. */
    private static final String READER =
            """
            import nbd, struct, sys
            h = nbd.NBD()
            h.connect_uri(sys.argv[1])
            flushed = int(sys.argv[2])
            last = {}
            for n in range(1, flushed + 1):
                last[n * 7919 % 16384] = n
            for block, n in last.items():
                data = h.pread(4096, block * 4096)
                found = struct.unpack('>Q', data[:8])[0]
                assert data == struct.pack('>Q', found) * 512, ('torn', block)
                later = found > flushed and found * 7919 % 16384 == block
                assert found == n or later, ('lost', block, n, found)
            print('compared', len(last))
            """;

    /** A block device that is a file. */
    private static final class Device {
        final Path image;
        final String node;

        Device(Path image) throws IOException, InterruptedException {
            this.image = image;
            try (RandomAccessFile file = new RandomAccessFile(image.toString(), "rw")) {
                file.setLength(600L << 20);
            }
            this.node = run("losetup", "-f", "--show", image.toString()).strip();
        }

        void remove() throws IOException, InterruptedException {
            for (String loop : run("losetup", "-n", "-O", "NAME", "-j", node).lines().toList()) {
                for (String line : Files.readAllLines(Path.of("/proc/mounts"))) {
                    if (line.startsWith(loop.strip() + " ")) {
                        run("umount", "-l", line.split(" ", -1)[1]);
                    }
                }
            }
            run("losetup", "-d", node);
            run("e2fsck", "-fn", image + "?offset=" + FIRST_EXTENT);
        }
    }

    /** A client that writes. */
    private static final class Writer {
        final Process process;
        private final BufferedReader lines;
        private long flushed;

        Writer(String uri) throws IOException {
            process =
                    new ProcessBuilder(PYTHON, "-c", WRITER, uri).redirectErrorStream(true).start();
            lines =
                    new BufferedReader(
                            new InputStreamReader(
                                    process.getInputStream(), StandardCharsets.UTF_8));
        }

        /** Reads on until so much more is flushed. */
        void awaitFlushed(long more) throws IOException {
            long target = flushed + more;
            while (flushed < target) {
                String line = next();
                assertTrue(line.startsWith("flushed "), line);
            }
        }

        private String next() throws IOException {
            String line = String.valueOf(lines.readLine());
            if (line.startsWith("flushed ")) {
                flushed = Long.parseLong(line.substring(8));
            }
            return line;
        }

        /** Reads on to the line that is not about a flush. */
        String last() throws IOException {
            String line;
            do {
                line = next();
            } while (line.startsWith("flushed "));
            return line;
        }

        /** Has it end by itself. */
        String end() throws IOException {
            process.getOutputStream().close();
            return last();
        }
    }

    @TempDir Path parent;
    private final List<Device> devices = new ArrayList<>();
    private final List<Writer> writers = new ArrayList<>();
    private TestDaemon daemon;

    @BeforeEach
    void start() throws IOException, InterruptedException {
        assumeTrue("root".equals(System.getProperty("user.name")), "needs root");
        assumeTrue(Files.exists(Path.of("/dev/loop-control")), "needs loop devices");
        assumeTrue(Files.isExecutable(Path.of("/usr/sbin/mkfs.ext4")), "needs mkfs.ext4");
        assumeTrue(status(PYTHON, "-c", "import nbd") == 0, "needs python3-libnbd");
        daemon = TestDaemon.real(Files.createDirectory(parent.resolve("home")));
    }

    @AfterEach
    void stop() throws IOException, InterruptedException {
        writers.forEach(writer -> writer.process.destroyForcibly());
        if (daemon != null) {
            daemon.close();
        }
        for (Device device : devices) {
            device.remove();
        }
    }

    private static int status(String... command) throws IOException, InterruptedException {
        return new ProcessBuilder(command)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
    }

    private static String run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), () -> String.join(" ", command) + ": " + output);
        return output;
    }

    private String createSr(String name) throws IOException, InterruptedException {
        Device device = new Device(parent.resolve(name + ".img"));
        devices.add(device);
        return daemon.xe(
                        "sr-create",
                        "type=ext",
                        "name-label=" + name,
                        "device-config:device=" + device.node)
                .ok();
    }

    private String createDisk(String sr) throws IOException {
        return daemon.xe("vdi-create", "sr-uuid=" + sr, "name-label=disk", "virtual-size=64MiB")
                .ok();
    }

    private String attach(String vdi) throws IOException {
        return daemon.xe("varve-attach", "uuid=" + vdi).ok();
    }

    private Writer write(String uri) throws IOException {
        Writer writer = new Writer(uri);
        writers.add(writer);
        return writer;
    }

    private String lastError(String sr) {
        Object config = daemon.record("SR", daemon.ref("SR", sr)).get("other_config");
        return String.valueOf(((Map<?, ?>) config).get("last-error"));
    }

    private boolean isPlugged(String vdi) {
        return daemon.record("VDI", daemon.ref("VDI", vdi)).get("VBDs") instanceof List<?> vbds
                && vbds.stream()
                        .allMatch(
                                vbd ->
                                        Boolean.TRUE.equals(
                                                daemon.record("VBD", (String) vbd)
                                                        .get("currently_attached")));
    }

    private void shutDown(String sr) throws IOException, InterruptedException {
        run(
                PYTHON,
                "-c",
                """
                import fcntl, os, struct, sys
                fd = os.open(sys.argv[1], os.O_RDONLY)
                fcntl.ioctl(fd, 0x8004587d, struct.pack('I', 2))
                """,
                parent.resolve("home/mnt").resolve(sr).toString());
    }

    private void advanceUntil(BooleanSupplier condition) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < deadline, "it did not come about");
            daemon.time.advance(1, TimeUnit.SECONDS);
            Thread.onSpinWait();
        }
    }

    private static boolean isReadable(Path file) {
        try {
            return Files.readAllBytes(file).length > 0;
        } catch (IOException e) {
            // As long as the file system is shut down.
            return false;
        }
    }

    private void compare(String uri, long flushed) throws IOException, InterruptedException {
        assertTrue(run(PYTHON, "-c", READER, uri, Long.toString(flushed)).startsWith("compared"));
    }

    @Test
    void fileSystemThatDiesUnderLoadHealsAndTheOtherOneGoesOn()
            throws IOException, InterruptedException {
        String dying = createSr("dying");
        String healthy = createSr("healthy");
        String disk = createDisk(dying);
        String otherDisk = createDisk(healthy);
        String uri = attach(disk);
        Writer writer = write(uri);
        Writer other = write(attach(otherDisk));
        writer.awaitFlushed(3000);
        other.awaitFlushed(1000);

        shutDown(dying);
        assertTrue(writer.last().startsWith("failed"), "its client is told");
        other.awaitFlushed(500);
        String refused =
                daemon.xe("vdi-create", "sr-uuid=" + dying, "name-label=x", "virtual-size=1MiB")
                        .err();
        assertTrue(refused.contains("SR_BACKEND_FAILURE_200"), refused);

        String point = parent.resolve("home/mnt").resolve(dying).toString();
        // The disk is let go of before the file system is mounted anew, so this is after both.
        advanceUntil(() -> isReadable(Path.of(point, ".varve/sr.json")) && isPlugged(disk));
        assertEquals("null", lastError(dying));
        compare(uri, writer.flushed);
        Writer again = write(uri);
        again.awaitFlushed(500);
        assertTrue(again.end().startsWith("ended"));

        other.awaitFlushed(500);
        assertTrue(other.end().startsWith("ended"), "the client of the other one noticed nothing");
        compare(address(otherDisk), other.flushed);
        assertEquals("null", lastError(healthy));
        daemon.xe("varve-detach", "uuid=" + disk).ok();
        daemon.xe("vdi-destroy", "uuid=" + disk).ok();
    }

    /** The address of a disk that is attached. */
    private String address(String vdi) {
        return "nbd+unix:///" + vdi + "?socket=" + parent.resolve("home/run/nbd.sock");
    }
}
