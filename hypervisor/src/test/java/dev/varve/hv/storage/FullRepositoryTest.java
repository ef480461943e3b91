// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.varve.hv.testing.TestDaemon;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A repository in a small ext4 file system that gets full while a client writes. */
@Tag("real")
class FullRepositoryTest {
    @TempDir Path parent;
    private Path image;
    private Path mounted;
    private TestDaemon daemon;
    private String sr;

    @BeforeEach
    void start() throws IOException, InterruptedException {
        assumeTrue("root".equals(System.getProperty("user.name")), "needs root");
        assumeTrue(Files.exists(Path.of("/dev/loop-control")), "needs loop devices");
        assumeTrue(Files.isExecutable(Path.of("/usr/sbin/mkfs.ext4")), "needs mkfs.ext4");
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/fio")), "needs fio");
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/qemu-img")), "needs qemu-img");
        image = parent.resolve("small.img");
        try (RandomAccessFile file = new RandomAccessFile(image.toString(), "rw")) {
            file.setLength(160L << 20);
        }
        run("mkfs.ext4", "-q", "-m", "0", image.toString());
        mounted = Files.createDirectory(parent.resolve("small"));
        run("mount", "-o", "loop", image.toString(), mounted.toString());
        daemon = TestDaemon.real(Files.createDirectory(parent.resolve("home")));
        sr =
                daemon.xe(
                                "sr-create",
                                "type=file",
                                "name-label=small",
                                "device-config:location=" + mounted.resolve("sr"))
                        .ok();
    }

    @AfterEach
    void stop() throws IOException, InterruptedException {
        if (daemon != null) {
            daemon.close();
        }
        if (mounted != null) {
            run("umount", mounted.toString());
            run("e2fsck", "-fn", image.toString());
        }
    }

    private static String run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), () -> String.join(" ", command) + ": " + output);
        return output;
    }

    private String createDisk() throws IOException {
        return daemon.xe("vdi-create", "sr-uuid=" + sr, "name-label=disk", "virtual-size=256MiB")
                .ok();
    }

    private String attach(String vdi) throws IOException {
        return daemon.xe("varve-attach", "uuid=" + vdi).ok();
    }

    private static ProcessBuilder fio(String uri, String mode, int mebibytes) {
        return new ProcessBuilder(
                        "fio",
                        "--name=full",
                        "--ioengine=nbd",
                        "--uri=" + uri,
                        "--rw=" + mode,
                        "--bs=64k",
                        "--iodepth=16",
                        "--size=" + mebibytes + "m",
                        "--verify=crc32c",
                        "--verify_fatal=1",
                        "--verify_state_save=0",
                        "--fsync=32",
                        "--randseed=7")
                .redirectErrorStream(true);
    }

    private static void requireGood(Process fio) throws IOException, InterruptedException {
        String output = new String(fio.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, fio.waitFor(), output);
        assertTrue(output.contains("err= 0"), output);
    }

    private boolean isTold(String message) {
        Map<?, ?> records = (Map<?, ?>) daemon.call("message.get_all_records");
        return records.values().stream()
                .anyMatch(record -> message.equals(((Map<?, ?>) record).get("name")));
    }

    private void awaitMessage(String message) {
        String token = "";
        for (int batches = 0; batches < 20 && !isTold(message); batches++) {
            Map<?, ?> batch =
                    (Map<?, ?>)
                            daemon.call(
                                    "event.from",
                                    List.of("message"),
                                    token,
                                    token.isEmpty() ? 0.0 : 10.0);
            token = (String) batch.get("token");
        }
        assertTrue(isTold(message), message + " is told");
    }

    private void requireReadable(String vdi, Path copy) throws IOException, InterruptedException {
        run(
                "qemu-img",
                "convert",
                "-f",
                "vpc",
                "-O",
                "raw",
                mounted.resolve("sr").resolve(vdi + ".vhd").toString(),
                copy.toString());
    }

    @Test
    void aWriterWaitsWhileOthersReadAndGoesOnWhenADiskIsRemoved()
            throws IOException, InterruptedException {
        String large = createDisk();
        requireGood(fio(attach(large), "write", 60).start());
        daemon.xe("varve-detach", "uuid=" + large).ok();
        String other = createDisk();
        String otherUri = attach(other);
        requireGood(fio(otherUri, "write", 8).start());
        String full = createDisk();
        Process writer = fio(attach(full), "randwrite", 100).start();
        try {
            awaitMessage("SR_FULL_WRITES_WAIT");
            requireGood(fio(otherUri, "read", 8).start());
            // Without any room a disk is put in order when it is let go of, and can be taken again.
            daemon.xe("varve-detach", "uuid=" + other).ok();
            requireGood(fio(attach(other), "read", 8).start());
            assertFalse(isTold("SR_WRITES_GO_ON"));
            assertTrue(writer.isAlive(), "the writer waits");
            daemon.xe("vdi-param-set", "uuid=" + large, "name-label=renamed").ok();
            daemon.xe("vdi-destroy", "uuid=" + large).ok();
            requireGood(writer);
        } finally {
            writer.destroyForcibly();
        }
        daemon.time.advance(6, TimeUnit.SECONDS);
        awaitMessage("SR_WRITES_GO_ON");
        for (String vdi : List.of(full, other)) {
            daemon.xe("varve-detach", "uuid=" + vdi).ok();
            requireReadable(vdi, parent.resolve(vdi + ".raw"));
        }
    }

    @Test
    void aDiskWithWritesThatWaitIsLetGoOf() throws IOException, InterruptedException {
        String full = createDisk();
        Process writer = fio(attach(full), "write", 200).start();
        try {
            awaitMessage("SR_FULL_WRITES_WAIT");
            daemon.xe("varve-detach", "uuid=" + full).ok();
            assertTrue(writer.waitFor(20, TimeUnit.SECONDS), "its client is told");
        } finally {
            writer.destroyForcibly();
        }
        requireReadable(full, parent.resolve("full.raw"));
        String uri = attach(full);
        assertTrue(uri.startsWith("nbd+unix:"), uri);
    }

    @Test
    void aRepositoryThatIsNotToWaitTellsItsWriter() throws IOException, InterruptedException {
        daemon.xe("sr-param-set", "uuid=" + sr, "other-config:when-full=fail").ok();
        String full = createDisk();
        Process writer = fio(attach(full), "write", 200).start();
        String output = new String(writer.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(writer.waitFor() != 0, output);
        assertTrue(output.contains("No space left on device"), output);
        assertFalse(isTold("SR_FULL_WRITES_WAIT"));
        daemon.xe("varve-detach", "uuid=" + full).ok();
        requireReadable(full, parent.resolve("full.raw"));
    }
}
