// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.ChainHost;
import dev.varve.hv.testing.StampedWriter;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What the daemon does by itself about long chains, and how a user has a say in it. */
class CollectorTest {
    private static final long SIZE = 8 << 20;
    private static final String SLOW = "65536";

    @TempDir Path directory;
    private ChainHost host;
    private String sr;
    private String disk;
    private StampedWriter writer;

    @BeforeEach
    void start() throws IOException {
        host = new ChainHost(directory.resolve("home"));
        sr = host.create(directory.resolve("sr"));
        disk = host.disk(sr, SIZE);
        host.plug(disk);
        writer = new StampedWriter(SIZE, 1);
        writer.write(host.uri(disk), 100);
    }

    @AfterEach
    void stop() {
        host.close();
    }

    private List<String> snapshots(int count) throws IOException {
        List<String> taken = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            taken.add(host.snapshot(disk));
            writer.write(host.uri(disk), 50);
        }
        return taken;
    }

    private void destroy(List<String> vdis) {
        vdis.forEach(vdi -> host.call("VDI.destroy", vdi));
    }

    private void awaitOneImage() {
        ChainHost.await("the disk is one image", () -> host.images(sr) == 1);
        assertEquals(1, host.depth(disk));
    }

    private Optional<String> task() {
        return host.tasks().entrySet().stream()
                .filter(task -> task.getValue().startsWith("Coalesce "))
                .map(Map.Entry::getKey)
                .findFirst();
    }

    private String awaitTask() {
        ChainHost.await("a merge runs", () -> task().isPresent());
        return task().orElseThrow();
    }

    @Test
    void makesOneImageOfAnAttachedDiskWhoseSnapshotsAreGone() throws IOException {
        destroy(snapshots(6));
        awaitOneImage();
        StampedWriter.verify(host.uri(disk), writer.content());
        writer.write(host.uri(disk), 50);
        StampedWriter.verify(host.uri(disk), writer.content());
        assertTrue(host.xe("varve-status").contains("longest 1 images"), host.xe("varve-status"));
    }

    @Test
    void keepsSnapshotsThatAreThere() throws IOException {
        List<String> taken = snapshots(4);
        long[] kept = writer.content();
        String last = host.snapshot(disk);
        writer.write(host.uri(disk), 50);
        destroy(taken);
        ChainHost.await("disk and snapshot share one image", () -> host.images(sr) == 3);
        assertEquals(2, host.depth(disk));
        host.plug(last);
        StampedWriter.verify(host.uri(last), kept);
        StampedWriter.verify(host.uri(disk), writer.content());
    }

    @Test
    void doesWhatOtherConfigSaysAtOnce() throws IOException {
        host.configure("SR", sr, "gc", "false");
        List<String> taken = snapshots(3);
        destroy(taken);
        host.configure("SR", sr, "leaf-coalesce", "false");
        host.configure("SR", sr, "gc", "");
        ChainHost.await("inner nodes are one", () -> host.images(sr) == 2);
        host.configure("VDI", disk, "leaf-coalesce", "false");
        host.configure("SR", sr, "leaf-coalesce", "");
        host.call("SR.scan", sr);
        assertEquals(2, host.depth(disk));
        host.configure("SR", sr, "coalesce", "false");
        host.configure("VDI", disk, "leaf-coalesce", "");
        host.call("SR.scan", sr);
        assertEquals(2, host.depth(disk));
        host.configure("SR", sr, "coalesce", "");
        awaitOneImage();
        StampedWriter.verify(host.uri(disk), writer.content());
    }

    @Test
    void showsAMergeAsATaskAndLetsUsersWork() throws IOException {
        host.configure("SR", sr, "coalesce-bytes-per-second", SLOW);
        destroy(snapshots(2));
        String task = awaitTask();
        assertEquals("pending", host.text("task.get_status", task));
        assertEquals(List.of("cancel"), host.call("task.get_allowed_operations", task));
        assertTrue(
                ((Map<?, ?>) host.call("task.get_other_config", task)).containsKey("copied-bytes"));
        assertEquals(Map.of(), host.call("SR.get_current_operations", sr));
        assertTrue(host.xe("varve-status").contains("Coalesce "), host.xe("varve-status"));
        String snapshot = host.snapshot(disk);
        host.call("VDI.resize_online", disk, 2 * SIZE);
        host.call("VDI.destroy", snapshot);
        writer.write(host.uri(disk), 50);
        host.configure("SR", sr, "coalesce-bytes-per-second", "");
        awaitOneImage();
        StampedWriter.verify(host.uri(disk), writer.content());
    }

    @Test
    void leavesAPairAloneWhoseTaskWasCancelled() throws IOException {
        host.configure("SR", sr, "coalesce-bytes-per-second", SLOW);
        destroy(snapshots(1));
        String task = awaitTask();
        host.call("task.cancel", task);
        ChainHost.await("the task is gone", () -> task().isEmpty());
        host.configure("SR", sr, "coalesce-bytes-per-second", "");
        host.call("SR.scan", sr);
        assertEquals(2, host.depth(disk));
        assertEquals("", host.configured("SR", sr, "last-coalesce-error"));
        StampedWriter.verify(host.uri(disk), writer.content());
    }

    @Test
    void letsARepositoryGoInTheMiddleOfAMerge() throws IOException {
        host.configure("SR", sr, "coalesce-bytes-per-second", SLOW);
        List<String> taken = snapshots(2);
        String vbd = (String) ((List<?>) host.call("VDI.get_VBDs", disk)).getFirst();
        host.call("VBD.unplug", vbd);
        destroy(taken);
        awaitTask();
        String pbd = (String) ((List<?>) host.call("SR.get_PBDs", sr)).getFirst();
        host.call("PBD.unplug", pbd);
        assertEquals(Optional.empty(), task());
        host.call("PBD.plug", pbd);
        awaitTask();
        host.call("VDI.destroy", disk);
        host.call("PBD.unplug", pbd);
        host.call("SR.destroy", sr);
    }
}
