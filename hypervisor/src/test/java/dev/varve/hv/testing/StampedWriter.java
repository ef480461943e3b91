// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.testing;

import dev.varve.hv.nbd.NbdClient;

import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;

/**
 * A client that writes numbered pages all over a disk, reads some of them back, flushes now and
 * then, and knows at any moment what the disk holds.
 */
public final class StampedWriter {
    /** The bytes of a page. */
    public static final int PAGE = 4096;

    private final Random random;
    private final long[] now;

    /** What each page held when the disk was flushed last. */
    private long[] flushed;

    private long stamp;
    private volatile boolean stopped;
    private CompletableFuture<Void> ended;

    /** Nothing is written yet. */
    public StampedWriter(long sizeBytes, long seed) {
        this.now = new long[Math.toIntExact(sizeBytes / PAGE)];
        this.flushed = now.clone();
        this.random = new Random(seed);
    }

    /** Writes until {@link #stop}. */
    public void start(URI uri, Executor threads) {
        stopped = false;
        ended = CompletableFuture.runAsync(() -> run(uri), threads);
    }

    /** Stops, and fails when the client has failed; all is flushed. */
    public void stop() {
        stopped = true;
        ended.join();
    }

    private void run(URI uri) {
        try (NbdClient client = NbdClient.connect(uri)) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(PAGE);
            while (!stopped) {
                step(client, buffer);
            }
            client.flush();
        } catch (IOException e) {
            throw new CompletionException(e);
        }
    }

    /** Writes some pages on the caller's thread, and flushes. */
    public void write(URI uri, int pages) throws IOException {
        try (NbdClient client = NbdClient.connect(uri)) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(PAGE);
            for (int i = 0; i < pages; i++) {
                step(client, buffer);
            }
            client.flush();
        }
    }

    private void step(NbdClient client, ByteBuffer buffer) throws IOException {
        int page = random.nextInt(now.length);
        if (random.nextInt(4) == 0) {
            client.read((long) page * PAGE, buffer.clear());
            check(buffer.flip(), page, now[page]);
            return;
        }
        stamp++;
        fill(buffer.clear(), page, stamp);
        client.write((long) page * PAGE, buffer.flip());
        now[page] = stamp;
        if (random.nextInt(32) == 0) {
            client.flush();
            flushed = now.clone();
        }
    }

    private static void fill(ByteBuffer buffer, int page, long stamp) {
        while (buffer.hasRemaining()) {
            buffer.putLong(stamp).putLong(page);
        }
    }

    private static void check(ByteBuffer bytes, int page, long stamp) {
        LongBuffer words = bytes.asLongBuffer();
        for (int i = 0; words.hasRemaining(); i++) {
            long expected = stamp == 0 ? 0 : i % 2 == 0 ? stamp : page;
            long found = words.get();
            if (found != expected) {
                throw new AssertionError(
                        "page %d: %d instead of %d at word %d".formatted(page, found, expected, i));
            }
        }
    }

    /** Waits for the end of a client whose server was killed. */
    public void awaitEnd() {
        ended.exceptionally(_ -> null).join();
    }

    /**
     * Reads a whole disk whose server was killed: each page must hold what it did at the last
     * flush, or what was written to it since. From now on it holds what was found.
     */
    public void survived(URI uri) throws IOException {
        try (NbdClient client = NbdClient.connect(uri)) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(PAGE);
            for (int page = 0; page < now.length; page++) {
                client.read((long) page * PAGE, buffer.clear());
                long found = buffer.flip().getLong(0);
                if (found < flushed[page] || found > Math.max(now[page], stamp)) {
                    throw new AssertionError(
                            "page %d: %d, flushed was %d, written was %d"
                                    .formatted(page, found, flushed[page], now[page]));
                }
                check(buffer, page, found);
                now[page] = found;
            }
        }
        flushed = now.clone();
    }

    /** How many pages were written. */
    public long writes() {
        return stamp;
    }

    /** What the disk holds now; not while it writes. */
    public long[] content() {
        return now.clone();
    }

    /** Reads a whole disk and compares. */
    public static void verify(URI uri, long[] content) throws IOException {
        try (NbdClient client = NbdClient.connect(uri)) {
            ByteBuffer buffer = ByteBuffer.allocateDirect(256 * PAGE);
            for (int page = 0; page < content.length; page += 256) {
                int count = Math.min(256, content.length - page);
                client.read((long) page * PAGE, buffer.clear().limit(count * PAGE));
                for (int i = 0; i < count; i++) {
                    check(buffer.slice(i * PAGE, PAGE), page + i, content[page + i]);
                }
            }
        }
    }
}
