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
import java.util.List;

/** Two daemons that use one repository: one of them looks after its chains. */
class TwoHostsTest {
    private static final long SIZE = 8 << 20;

    @TempDir Path directory;
    private ChainHost first;
    private ChainHost second;
    private String sr;
    private String secondSr;
    private String disk;
    private final StampedWriter writer = new StampedWriter(SIZE, 1);

    @BeforeEach
    void start() throws IOException {
        Path medium = directory.resolve("sr");
        first = new ChainHost(directory.resolve("one"));
        sr = first.create(medium);
        disk = first.disk(sr, SIZE);
        second = new ChainHost(directory.resolve("two"));
        secondSr = second.introduce(first.text("SR.get_uuid", sr), medium);
    }

    @AfterEach
    void stop() {
        second.close();
        first.close();
    }

    private String onSecond(String vdi) {
        return second.text("VDI.get_by_uuid", first.uuid(vdi));
    }

    /** Snapshots that come and go, and writes between them. */
    private void useOn(ChainHost host, String vdi) throws IOException {
        for (int i = 0; i < 3; i++) {
            writer.write(host.uri(vdi), 50);
            String snapshot = host.snapshot(vdi);
            writer.write(host.uri(vdi), 50);
            host.call("VDI.destroy", snapshot);
        }
    }

    @Test
    void leavesAloneWhatTheOtherHostUses() throws IOException {
        assertTrue(second.xe("varve-status").contains("another daemon maintains"));
        String own = first.disk(sr, SIZE);
        StampedWriter ownWriter = new StampedWriter(SIZE, 2);
        String there = onSecond(disk);
        String vbd = second.plug(there);
        useOn(second, there);
        int depth = second.depth(there);
        assertTrue(depth > 1, "the other host merges nothing");
        first.call("SR.scan", sr);
        assertEquals(depth, first.depth(disk));
        first.plug(own);
        ownWriter.write(first.uri(own), 50);
        String snapshot = first.snapshot(own);
        ownWriter.write(first.uri(own), 50);
        first.call("VDI.destroy", snapshot);
        ChainHost.await("the own disk is one image", () -> first.depth(own) == 1);
        second.call("SR.scan", secondSr);
        assertEquals(depth, second.depth(there));
        StampedWriter.verify(second.uri(there), writer.content());

        second.call("VBD.unplug", vbd);
        first.call("SR.scan", sr);
        ChainHost.await("the disk of the other host is one image", () -> first.depth(disk) == 1);
        second.call("SR.scan", secondSr);
        assertEquals(1, second.depth(there));
        second.call("VBD.plug", vbd);
        StampedWriter.verify(second.uri(there), writer.content());
        StampedWriter.verify(first.uri(own), ownWriter.content());
    }

    /** What it knew of the tree before is not true any more. */
    @Test
    void looksAgainAtTreesThatTheOtherHostHasChanged() throws IOException {
        String other = first.disk(sr, SIZE);
        first.plug(other);
        String there = onSecond(disk);
        String vbd = second.plug(there);
        useOn(second, there);
        second.call("VBD.unplug", vbd);
        first.call("VDI.destroy", first.snapshot(other));
        ChainHost.await("two images", () -> images() == 2);
        first.plug(disk);
        StampedWriter.verify(first.uri(disk), writer.content());
    }

    private int images() {
        second.call("SR.scan", secondSr);
        return second.images(secondSr);
    }

    @Test
    void takesOverFromAHostThatLeaves() throws IOException {
        first.configure("SR", sr, "gc", "false");
        String vbd = first.plug(disk);
        useOn(first, disk);
        first.call("VBD.unplug", vbd);
        String there = onSecond(disk);
        second.call("SR.scan", secondSr);
        assertTrue(second.depth(there) > 1);
        first.call("PBD.unplug", ((List<?>) first.call("SR.get_PBDs", sr)).getFirst());
        second.call("SR.scan", secondSr);
        ChainHost.await("the disk is one image", () -> second.depth(there) == 1);
        second.plug(there);
        StampedWriter.verify(second.uri(there), writer.content());
    }
}
