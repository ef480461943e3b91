// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.varve.hv.testing.DaemonCalls;
import dev.varve.hv.testing.IscsiTarget;
import dev.varve.hv.testing.RealDaemon;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A disk on a LUN, under a client that writes and then reads back what it wrote, while the target
 * is killed and started again and again. The client must not notice more than that it takes longer.
 */
@Tag("real")
class IscsiUnderLoadTest {
    private static final int ROUNDS = 10;
    private static final long HEAP_MIB = 256;
    private static final long DISK_BYTES = 128L << 20;

    @TempDir Path parent;

    @Test
    void clientGoesOnWhileTheTargetIsKilledAndStartedTenTimes()
            throws IOException, InterruptedException {
        List<String> missing = IscsiTarget.missing("fio");
        assumeTrue(missing.isEmpty(), () -> "needs " + missing);
        Path home = Files.createDirectory(parent.resolve("home"));
        try (IscsiTarget target = IscsiTarget.start(parent, 2L << 30);
                RealDaemon daemon = new RealDaemon(home, HEAP_MIB)) {
            DaemonCalls calls = new DaemonCalls(daemon);
            String sr = calls.createRepository("lvmoiscsi", target.config());
            String vdi = calls.attach(calls.createDisk(sr, DISK_BYTES));
            String uri = "nbd+unix:///" + vdi + "?socket=" + home.resolve("run/nbd.sock");
            Process fio = writeAndVerify(uri);
            for (int round = 0; round < ROUNDS; round++) {
                // What is tested is that the target dies in the middle of something.
                boolean over = fio.waitFor(700, TimeUnit.MILLISECONDS);
                assertEquals("", over ? said(fio) : "");
                target.kill();
                target.startAgain();
            }
            String said = said(fio);
            assertEquals(0, fio.waitFor(), said);
        }
    }

    /** Writes for as long as ten rounds take, with checksums, and then verifies all of it. */
    private Process writeAndVerify(String uri) throws IOException {
        return new ProcessBuilder(
                        "fio",
                        "--name=verify",
                        "--ioengine=nbd",
                        "--uri=" + uri,
                        "--rw=randwrite",
                        "--bs=4k",
                        "--iodepth=16",
                        "--size=" + DISK_BYTES,
                        "--fsync=64",
                        "--verify=crc32c",
                        "--do_verify=1",
                        "--verify_fatal=1",
                        "--verify_state_save=0",
                        "--rate_iops=4000")
                .redirectErrorStream(true)
                .start();
    }

    private static String said(Process process) throws IOException {
        return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }
}
