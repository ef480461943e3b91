// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;

import dev.varve.hv.testing.DaemonCalls;
import dev.varve.hv.testing.IscsiTarget;
import dev.varve.hv.testing.RealDaemon;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Two daemons of one pool, each in a process of its own, with a repository on one LUN. */
@Tag("real")
class SharedLunTest {
    private static final long MIB = 1 << 20;
    private static final long HEAP_MIB = 256;

    /** A LUN that is not large enough for both of two disks. */
    private static final long SMALL = 384 * MIB;

    private static final long LOST = 140 * MIB;
    private static final long TAKEN = 240 * MIB;
    private static final long GROWING = 128 * MIB;
    private static final String POOL = "pool.uuid=5f3c4a5e-0000-4000-8000-0123456789ab";

    /** So long a host is silent before another one takes over, in seconds. */
    private static final int TERM = 12;

    /** A daemon that can be ended and started again. */
    private final class Host {
        private final Path home;
        private RealDaemon daemon;
        private DaemonCalls calls;

        Host(String name) throws IOException {
            home = Files.createDirectory(parent.resolve(name));
            start();
        }

        void start() throws IOException {
            List<String> options = List.of("-Ddev.varve.claims.term=" + TERM);
            daemon = RealDaemon.with(home, HEAP_MIB, POOL, options);
            calls = new DaemonCalls(daemon);
        }

        String disk(long bytes) throws IOException {
            return calls.call("VDI.get_uuid", calls.createDisk(sr(), bytes)).asText();
        }

        String sr() throws IOException {
            return calls.call("SR.get_by_uuid", repository).asText();
        }

        String vdi(String uuid) throws IOException {
            return calls.call("VDI.get_by_uuid", uuid).asText();
        }

        void plug(String uuid) throws IOException {
            calls.attach(vdi(uuid));
        }

        void scan() throws IOException {
            calls.call("SR.scan", sr());
        }

        String uuid() throws IOException {
            return calls.call("host.get_uuid", calls.call("host.get_all").path(0).asText())
                    .asText();
        }

        /** Writes or reads a disk with checksums. */
        Process fio(String uuid, String... more) throws IOException {
            List<String> command =
                    new ArrayList<>(
                            List.of(
                                    "fio",
                                    "--name=verify",
                                    "--ioengine=nbd",
                                    "--uri=nbd+unix:///"
                                            + uuid
                                            + "?socket="
                                            + home.resolve("run/nbd.sock"),
                                    "--verify=crc32c",
                                    "--verify_fatal=1",
                                    "--verify_state_save=0"));
            command.addAll(List.of(more));
            return new ProcessBuilder(command)
                    .directory(parent.toFile())
                    .redirectErrorStream(true)
                    .start();
        }

        void write(String uuid, long bytes) throws IOException, InterruptedException {
            assertDone(
                    fio(
                            uuid,
                            "--rw=write",
                            "--bs=1m",
                            "--iodepth=4",
                            "--size=" + bytes,
                            "--end_fsync=1",
                            "--do_verify=0"));
        }

        void verify(String uuid, long bytes) throws IOException, InterruptedException {
            assertDone(fio(uuid, "--rw=read", "--bs=1m", "--iodepth=4", "--size=" + bytes));
        }
    }

    @TempDir Path parent;

    private IscsiTarget target;
    private String repository;
    private Host first;
    private Host second;

    private void start(long lunBytes) throws IOException, InterruptedException {
        List<String> missing = IscsiTarget.missing("fio");
        assumeTrue(missing.isEmpty(), () -> "needs " + missing);
        target = IscsiTarget.start(parent, lunBytes);
        first = new Host("first");
        second = new Host("second");
        String sr = first.calls.createRepository("lvmoiscsi", target.config());
        repository = first.calls.call("SR.get_uuid", sr).asText();
        second.calls.introduce(repository, "lvmoiscsi", target.config());
    }

    @AfterEach
    void stop() throws IOException {
        try (IscsiTarget _ = target;
                RealDaemon _ = first == null ? null : first.daemon;
                RealDaemon _ = second == null ? null : second.daemon) {
            // They are closed in the opposite order.
        }
    }

    private static String said(Process process) throws IOException {
        return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    private static void assertDone(Process fio) throws IOException, InterruptedException {
        String said = said(fio);
        assertEquals(0, fio.waitFor(), said);
    }

    /**
     * The first host maintains the group, and the disk of the second one grows all the time, so the
     * second one asks it; then it is killed, and the second one has to take its place.
     */
    @Test
    void diskGrowsOnWhileTheHostThatMaintainsTheGroupIsKilled()
            throws IOException, InterruptedException {
        start(1024 * MIB);
        String ours = first.disk(64 * MIB);
        String theirs = second.disk(GROWING);
        first.scan();
        second.scan();
        assertEquals(second.vdi(theirs), first.vdi(theirs));
        first.plug(ours);
        first.write(ours, 32 * MIB);

        String connection = second.calls.connect(second.vdi(ours));
        String refused = second.calls.refused("VBD.plug", connection);
        assertTrue(refused.contains(first.uuid()), refused);

        second.plug(theirs);
        Process fio =
                second.fio(
                        theirs,
                        "--rw=randwrite",
                        "--bs=64k",
                        "--iodepth=8",
                        "--size=" + GROWING,
                        "--fsync=64",
                        "--do_verify=1",
                        "--rate=16m");
        assertFalse(fio.waitFor(3, TimeUnit.SECONDS), "nothing was written meanwhile");
        first.daemon.kill();
        assertFalse(fio.waitFor(2, TimeUnit.SECONDS), "nothing was written meanwhile");
        first.start();
        assertDone(fio);

        first.calls.awaitAttached();
        first.verify(ours, 32 * MIB);
        first.scan();
        String more = first.disk(64 * MIB);
        second.scan();
        assertEquals(first.vdi(more), second.vdi(more));
    }

    /**
     * The first host stands still while it writes. The second one takes what it had, gives that to
     * a disk of its own, and keeps it when the first one wakes up.
     */
    @Test
    @Tag("long")
    void hostThatStoodStillWritesNothingThatIsNotItsOwnAnyMore()
            throws IOException, InterruptedException {
        start(SMALL);
        String lost = first.disk(LOST);
        first.plug(lost);
        first.write(lost, LOST);
        Process writer =
                first.fio(
                        lost,
                        "--rw=randwrite",
                        "--bs=16k",
                        "--iodepth=32",
                        "--size=" + LOST,
                        "--time_based",
                        "--runtime=600",
                        "--do_verify=0");
        assertFalse(writer.waitFor(1, TimeUnit.SECONDS), "nothing was written meanwhile");
        second.scan();
        first.daemon.pause(true);
        destroyWhenSilent(lost);

        String taken = second.disk(TAKEN);
        second.plug(taken);
        second.write(taken, TAKEN);
        first.daemon.pause(false);
        String said = said(writer);
        assertNotEquals(0, writer.waitFor(), said);
        awaitKnown(first, taken);
        second.verify(taken, TAKEN);
    }

    /** The host that was put out attaches the repository anew, and finds what is there now. */
    private static void awaitKnown(Host host, String disk) throws IOException {
        long begin = System.nanoTime();
        String token = "";
        while (!host.calls.answer("VDI.get_by_uuid", disk).path("error").isNull()) {
            assertTrue(
                    System.nanoTime() - begin < TimeUnit.SECONDS.toNanos(90),
                    "the host does not come back");
            double seconds = token.isEmpty() ? 0.0 : 10.0;
            token =
                    host.calls
                            .call("event.from", List.of("VDI"), token, seconds)
                            .path("token")
                            .asText();
        }
    }

    /** Is refused as long as the host that has the disk may be alive. */
    private void destroyWhenSilent(String uuid) throws IOException {
        String vdi = second.vdi(uuid);
        long begin = System.nanoTime();
        JsonNode answer = second.calls.answer("VDI.destroy", vdi);
        assertFalse(answer.path("error").isNull(), "the disk of a host that lives was destroyed");
        while (!answer.path("error").isNull()) {
            assertTrue(
                    System.nanoTime() - begin < TimeUnit.SECONDS.toNanos(5 * TERM),
                    answer.toString());
            answer = second.calls.answer("VDI.destroy", vdi);
        }
        assertTrue(System.nanoTime() - begin > TimeUnit.SECONDS.toNanos(TERM - TERM / 5));
    }
}
