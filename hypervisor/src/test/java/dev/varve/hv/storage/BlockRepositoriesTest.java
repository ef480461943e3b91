// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.varve.hv.nbd.NbdClient;
import dev.varve.hv.testing.TestDaemon;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Repositories on a local disk and on a LUN, as a user makes them: from the first probe to a disk
 * that holds its data after a snapshot and a restart.
 */
@Tag("real")
class BlockRepositoriesTest {
    private static final String IQN = "iqn.2026-01.dev.varve.test:lun";
    private static final int CHUNK = 1 << 20;
    private static final long SIZE = 400L << 20;

    @TempDir Path parent;
    private Path home;
    private TestDaemon daemon;
    private Process target;
    private int port;
    private String loop;

    @BeforeEach
    void start() throws IOException {
        assumeTrue("root".equals(System.getProperty("user.name")), "needs root");
        home = Files.createDirectory(parent.resolve("home"));
        daemon = TestDaemon.real(home);
    }

    @AfterEach
    void stop() throws IOException, InterruptedException {
        if (daemon != null) {
            daemon.close();
        }
        if (loop != null) {
            run("losetup", "-d", loop);
        }
        if (target != null) {
            target.destroyForcibly().waitFor();
        }
    }

    private String run(String... command) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("TGT_IPC_SOCKET", parent.resolve("tgt.ipc").toString());
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), () -> String.join(" ", command) + ": " + output);
        return output;
    }

    private Path image(String name) throws IOException {
        Path image = parent.resolve(name);
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(SIZE);
        }
        return image;
    }

    // ---- a target

    private void startTarget() throws IOException, InterruptedException {
        assumeTrue(Files.isExecutable(Path.of("/usr/sbin/tgtd")), "needs tgtd (package tgt)");
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        ProcessBuilder builder =
                new ProcessBuilder(
                                "tgtd",
                                "-f",
                                "-C",
                                control(),
                                "-t",
                                "1",
                                "--iscsi",
                                "portal=127.0.0.1:" + port)
                        .redirectErrorStream(true)
                        .redirectOutput(parent.resolve("tgtd.log").toFile());
        builder.environment().put("TGT_IPC_SOCKET", parent.resolve("tgt.ipc").toString());
        target = builder.start();
        awaitListening();
        admin("--mode", "target", "--op", "new", "--tid", "1", "--targetname", IQN);
        String image = image("lun.img").toString();
        admin(
                "--mode",
                "logicalunit",
                "--op",
                "new",
                "--tid",
                "1",
                "--lun",
                "1",
                "--backing-store",
                image);
        admin("--mode", "account", "--op", "new", "--user", "host", "--password", "let-me-in");
        admin("--mode", "account", "--op", "bind", "--tid", "1", "--user", "host");
        admin("--mode", "target", "--op", "bind", "--tid", "1", "--initiator-address", "ALL");
    }

    /** A number that no other target of this machine has. */
    private String control() {
        return Integer.toString(port % 30_000 + 1);
    }

    private void admin(String... words) throws IOException, InterruptedException {
        List<String> command =
                new ArrayList<>(List.of("tgtadm", "-C", control(), "--lld", "iscsi"));
        command.addAll(List.of(words));
        run(command.toArray(String[]::new));
    }

    private void awaitListening() throws InterruptedException {
        for (int tries = 0; tries < 500; tries++) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 1000);
                return;
            } catch (IOException e) {
                assertFalse(target.waitFor(20, TimeUnit.MILLISECONDS), "tgtd has ended");
            }
        }
        throw new AssertionError("tgtd does not listen");
    }

    // ---- what a user does

    private String failsWith(String code, String... words) throws IOException {
        TestDaemon.Result result = daemon.xe(words);
        assertEquals(1, result.code(), result.out());
        assertTrue(result.err().contains("Error code: " + code), result.err());
        return result.err();
    }

    private static String[] and(String[] words, String... more) {
        String[] all = Arrays.copyOf(words, words.length + more.length);
        System.arraycopy(more, 0, all, words.length, more.length);
        return all;
    }

    private static String first(String element, String document) {
        Matcher matcher =
                Pattern.compile("<" + element + ">\\s*(\\S*)\\s*</" + element + ">")
                        .matcher(document);
        assertTrue(matcher.find(), document);
        return matcher.group(1);
    }

    private static byte[] pattern(int seed) {
        byte[] bytes = new byte[CHUNK];
        new java.util.Random(seed).nextBytes(bytes);
        return bytes;
    }

    /** Patterns at places of their own; from 100 on at those of the first ones again. */
    private static void writePatterns(String uri, int from, int to) throws IOException {
        try (NbdClient client = NbdClient.connect(URI.create(uri))) {
            for (int i = from; i < to; i++) {
                client.write(5L * (i % 100) * CHUNK, ByteBuffer.wrap(pattern(i)));
            }
            client.flush();
        }
    }

    private static byte[] read(String uri, long offset) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(CHUNK);
        try (NbdClient client = NbdClient.connect(URI.create(uri))) {
            client.read(offset, bytes);
        }
        return bytes.array();
    }

    /** A disk that is written, kept in a snapshot, written again, and there after a restart. */
    private void useDisks(String sr) throws IOException {
        String vdi =
                daemon.xe("vdi-create", "sr-uuid=" + sr, "name-label=disk", "virtual-size=200MiB")
                        .ok();
        String uri = daemon.xe("varve-attach", "uuid=" + vdi).ok();
        writePatterns(uri, 0, 40);
        String snapshot = daemon.xe("vdi-snapshot", "uuid=" + vdi).ok();
        writePatterns(uri, 100, 101);
        daemon.close();
        daemon = TestDaemon.real(home);
        daemon.xe("event-wait", "class=pbd", "sr-uuid=" + sr, "currently-attached=true").ok();
        String again = daemon.xe("varve-attach", "uuid=" + vdi).ok();
        assertEquals(uri, again);
        assertArrayEquals(pattern(100), read(again, 0));
        for (int i = 1; i < 40; i += 6) {
            assertArrayEquals(pattern(i), read(again, 5L * i * CHUNK));
        }
        assertArrayEquals(new byte[CHUNK], read(again, 3L * CHUNK));
        daemon.xe("varve-detach", "uuid=" + vdi).ok();
        daemon.xe("snapshot-revert", "uuid=" + snapshot).ok();
        String reverted = daemon.xe("varve-attach", "uuid=" + vdi).ok();
        assertArrayEquals(pattern(0), read(reverted, 0));
        daemon.xe("varve-detach", "uuid=" + vdi).ok();
        daemon.xe("vdi-destroy", "uuid=" + snapshot).ok();
        daemon.xe("vdi-destroy", "uuid=" + vdi).ok();
    }

    private void unplugAndDestroy(String sr) throws IOException {
        String pbd = daemon.xe("pbd-list", "sr-uuid=" + sr, "--minimal").ok();
        daemon.xe("pbd-unplug", "uuid=" + pbd).ok();
        daemon.xe("sr-destroy", "uuid=" + sr).ok();
    }

    @Test
    void lunIsFoundStepByStepAndUsed() throws IOException, InterruptedException {
        startTarget();
        String[] words = {"sr-probe", "type=lvmoiscsi"};
        failsWith("SR_BACKEND_FAILURE_95", words);
        words =
                and(
                        words,
                        "device-config:target=127.0.0.1",
                        "device-config:port=" + port,
                        "device-config:chapuser=host",
                        "device-config:chappassword=let-me-in");
        String targets = failsWith("SR_BACKEND_FAILURE_96", words);
        assertEquals(IQN, first("TargetIQN", targets));
        words = and(words, "device-config:targetIQN=" + IQN);
        String luns = failsWith("SR_BACKEND_FAILURE_107", words);
        assertEquals("1", first("LUNid", luns));
        words = and(words, "device-config:SCSIid=" + first("SCSIid", luns));
        assertFalse(daemon.xe(words).ok().contains("<UUID>"));
        String[] create = and(words, "name-label=lun", "shared=true");
        create[0] = "sr-create";
        String sr = daemon.xe(create).ok();
        Map<?, ?> config = (Map<?, ?>) daemon.record("SR", daemon.ref("SR", sr)).get("sm_config");
        assertEquals("scsi-" + first("SCSIid", luns), config.get("devserial"));
        assertTrue(daemon.xe("sr-paths", "uuid=" + sr).ok().contains("127.0.0.1:" + port));
        assertFalse(daemon.xe("pbd-list", "params=all").ok().contains("let-me-in"));
        useDisks(sr);
        assertEquals(sr, first("UUID", daemon.xe(words).ok()));
        unplugAndDestroy(sr);
        assertFalse(daemon.xe(words).ok().contains("<UUID>"));
    }

    @Test
    void localDiskIsUsedAndHandedBack() throws IOException, InterruptedException {
        assumeTrue(Files.exists(Path.of("/dev/loop-control")), "needs loop devices");
        loop = run("losetup", "-f", "--show", image("disk.img").toString()).strip();
        String device = "device-config:device=" + loop;
        String sr = daemon.xe("sr-create", "type=lvm", "name-label=local", device).ok();
        String refused =
                failsWith(
                        "SR_BACKEND_FAILURE_42",
                        "sr-create",
                        "type=lvm",
                        "name-label=again",
                        device);
        assertTrue(refused.contains("VG_XenStorage-" + sr), refused);
        useDisks(sr);
        String large =
                daemon.xe("vdi-create", "sr-uuid=" + sr, "name-label=d", "virtual-size=100GiB")
                        .ok();
        TestDaemon.Result hindered = daemon.xe("varve-handback-check", "uuid=" + sr);
        assertEquals(1, hindered.code());
        assertTrue(hindered.out().contains("room"), hindered.out());
        daemon.xe("vdi-destroy", "uuid=" + large).ok();
        assertTrue(daemon.xe("varve-handback-check", "uuid=" + sr).ok().contains("nothing"));
        unplugAndDestroy(sr);
        assertTrue(daemon.xe("sr-probe", "type=lvm", device).ok().contains(loop));
    }

    /** How many MiB a disk of 40 MiB takes that nothing was written to. */
    private long roomOfNewDisk(String sr, String... more) throws IOException {
        String[] create = {"vdi-create", "sr-uuid=" + sr, "name-label=d", "virtual-size=40MiB"};
        String vdi = daemon.xe(and(create, more)).ok();
        String room =
                daemon.xe("vdi-param-get", "uuid=" + vdi, "param-name=physical-utilisation").ok();
        daemon.xe("vdi-destroy", "uuid=" + vdi).ok();
        return Long.parseLong(room) >> 20;
    }

    private static void assertAllRoom(long mebibytes) {
        assertTrue(mebibytes >= 48, mebibytes + " MiB");
    }

    /** An empty image takes 8 MiB; one with all its room at least 48, and what it grew ahead. */
    @Test
    void thickDisksHaveAllTheirRoomAtOnce() throws IOException, InterruptedException {
        assumeTrue(Files.exists(Path.of("/dev/loop-control")), "needs loop devices");
        loop = run("losetup", "-f", "--show", image("disk.img").toString()).strip();
        String[] create = {
            "sr-create", "type=lvm", "name-label=thin", "device-config:device=" + loop
        };
        String thin = daemon.xe(create).ok();
        assertEquals(8, roomOfNewDisk(thin));
        assertAllRoom(roomOfNewDisk(thin, "sm-config:allocation=thick"));
        unplugAndDestroy(thin);
        String thick = daemon.xe(and(create, "sm-config:allocation=thick")).ok();
        Map<?, ?> config =
                (Map<?, ?>) daemon.record("SR", daemon.ref("SR", thick)).get("sm_config");
        assertEquals("thick", config.get("allocation"));
        assertAllRoom(roomOfNewDisk(thick));
        unplugAndDestroy(thick);
    }
}
