// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.ChainHost;
import dev.varve.hv.testing.StampedWriter;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * A disk that is written all the time gets many snapshots, which are destroyed in any order. In the
 * end it is one image again, or two with the snapshot that was kept, and both hold what they
 * should.
 *
 * <p>{@code -Dchains.snapshots=200} makes it longer, {@code -Dchains.seed} another order.
 */
@Tag("real")
class ChainsUnderLoadTest {
    private static final long SIZE = 64 << 20;
    private static final int SNAPSHOTS = Integer.getInteger("chains.snapshots", 30);
    private static final long SEED = Long.getLong("chains.seed", 1);

    @TempDir Path directory;

    @Test
    void chainsBecomeShortAgain() throws IOException {
        try (ChainHost host = new ChainHost(directory.resolve("home"));
                ExecutorService threads = Executors.newSingleThreadExecutor()) {
            String sr = host.create(directory.resolve("sr"));
            String disk = host.disk(sr, SIZE);
            host.plug(disk);
            StampedWriter writer = new StampedWriter(SIZE, SEED);
            writer.write(host.uri(disk), 1000);
            long began = System.nanoTime();
            List<String> taken = new ArrayList<>();
            host.configure("SR", sr, "gc", "false");
            writer.start(host.uri(disk), threads);
            for (int i = 0; i < SNAPSHOTS; i++) {
                taken.add(host.snapshot(disk));
            }
            double snapshots = secondsSince(began);
            int deepest = host.depth(disk);
            writer.stop();
            long[] kept = writer.content();
            String last = host.snapshot(disk);
            writer.start(host.uri(disk), threads);
            host.configure("SR", sr, "gc", "");
            began = System.nanoTime();
            Collections.shuffle(taken, new Random(SEED));
            taken.forEach(vdi -> host.call("VDI.destroy", vdi));
            double destroyed = secondsSince(began);
            ChainHost.await("disk and snapshot share one image", () -> host.images(sr) == 3);
            double merged = secondsSince(began);
            writer.stop();
            assertTrue(deepest > SNAPSHOTS / 2, "a deep chain, not " + deepest);
            assertEquals(2, host.depth(disk));
            assertEquals("", host.configured("SR", sr, "last-coalesce-error"));
            StampedWriter.verify(host.uri(disk), writer.content());
            host.plug(last);
            StampedWriter.verify(host.uri(last), kept);
            tell(
                    "%d snapshots in %.1f s made a chain of %d images; destroyed in %.1f s, merged"
                                    .formatted(SNAPSHOTS, snapshots, deepest, destroyed)
                            + " to 2 images after %.1f s, under %d writes: all content is right"
                                    .formatted(merged, writer.writes()));
        }
    }

    /** For a person, who finds it where the script looks for it. */
    private static void tell(String summary) throws IOException {
        System.out.println(summary);
        String file = System.getProperty("chains.summary");
        if (file != null) {
            Files.writeString(Path.of(file), summary + "\n");
        }
    }

    private static double secondsSince(long nanoTime) {
        return (System.nanoTime() - nanoTime) / 1e9;
    }
}
