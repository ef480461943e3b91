// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.ChainHost;
import dev.varve.hv.testing.DaemonProcess;
import dev.varve.hv.testing.StampedWriter;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * The daemon is killed again and again while it merges what lies under a disk that is written. What
 * was flushed is there when it has been started again, and so is all of a snapshot that is kept; in
 * the end the chains are short.
 */
@Tag("real")
class KilledMergesTest {
    private static final long SIZE = 16 << 20;
    private static final int KILLS = Integer.getInteger("chains.kills", 3);
    private static final long LONGEST_MILLIS = 400;

    @TempDir Path directory;
    private final Random random = new Random(3);
    private DaemonProcess daemon;
    private String sr;
    private String disk;

    private void start() throws IOException {
        daemon.start();
        ChainHost.await("the disk is attached", this::isAttached);
    }

    private boolean isAttached() {
        return xe("vbd-list", "vdi-uuid=" + disk, "params=currently-attached", "--minimal")
                .contains("true");
    }

    private String xe(String... words) {
        try {
            return daemon.xe(words);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private int images() {
        return xe("vdi-list", "sr-uuid=" + sr, "--minimal").split(",", -1).length;
    }

    private void leaveWork(StampedWriter writer) throws IOException {
        List<String> taken = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            taken.add(xe("vdi-snapshot", "uuid=" + disk));
            writer.write(daemon.uri(disk), 100);
        }
        taken.forEach(vdi -> xe("vdi-destroy", "uuid=" + vdi));
    }

    @Test
    void losesNothingThatWasFlushed() throws IOException, InterruptedException {
        Path medium = Files.createDirectory(directory.resolve("sr"));
        StampedWriter writer = new StampedWriter(SIZE, 1);
        daemon = new DaemonProcess(directory.resolve("home"));
        try (ExecutorService threads = Executors.newSingleThreadExecutor();
                DaemonProcess _ = daemon) {
            daemon.start();
            sr = xe("sr-create", "name-label=x", "type=file", "device-config:location=" + medium);
            disk = xe("vdi-create", "sr-uuid=" + sr, "name-label=disk", "virtual-size=" + SIZE);
            xe("varve-attach", "uuid=" + disk);
            writer.write(daemon.uri(disk), 500);
            String kept = xe("vdi-snapshot", "uuid=" + disk);
            long[] content = writer.content();
            int merging = 0;
            for (int i = 0; i < KILLS; i++) {
                leaveWork(writer);
                writer.start(daemon.uri(disk), threads);
                LockSupport.parkNanos(
                        TimeUnit.MILLISECONDS.toNanos(random.nextLong(LONGEST_MILLIS)));
                merging += images() > 3 ? 1 : 0;
                daemon.kill();
                writer.awaitEnd();
                start();
                writer.survived(daemon.uri(disk));
            }
            ChainHost.await("disk and snapshot share one image", () -> images() == 3);
            StampedWriter.verify(daemon.uri(disk), writer.content());
            xe("varve-attach", "uuid=" + kept, "read-only=true");
            StampedWriter.verify(daemon.uri(kept), content);
            assertTrue(merging > 0, "it was never killed in the middle of its work");
            System.out.printf(
                    "killed %d times, %d of them with merges to do, under %d writes%n",
                    KILLS, merging, writer.writes());
        }
    }
}
