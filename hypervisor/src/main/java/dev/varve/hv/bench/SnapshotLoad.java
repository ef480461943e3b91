// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.nbd.NbdClient;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Threads;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;

/** Clients that each send one request after the other, and note how long it takes. */
final class SnapshotLoad {
    /**
     * What was measured.
     *
     * @param reads sorted
     * @param writes sorted
     */
    record Result(Latencies reads, Latencies writes) {}

    private final Clock clock = Clock.system();
    private final URI uri;
    private final long sizeBytes;
    private volatile boolean stopped;

    SnapshotLoad(URI uri, long sizeBytes) {
        this.uri = uri;
        this.sizeBytes = sizeBytes;
    }

    /** Runs two readers and two writers while something is done. */
    Result during(Runnable work) {
        return during(2, 2, work);
    }

    /** Runs so many readers and writers while something is done. */
    Result during(int readers, int writers, Runnable work) {
        List<CompletableFuture<Latencies>> reads = new ArrayList<>();
        List<CompletableFuture<Latencies>> writes = new ArrayList<>();
        stopped = false;
        try (ExecutorService threads = Threads.blockingPool("load-")) {
            for (int i = 0; i < readers; i++) {
                int seed = i;
                reads.add(CompletableFuture.supplyAsync(() -> run(seed, false), threads));
            }
            for (int i = 0; i < writers; i++) {
                int seed = readers + i;
                writes.add(CompletableFuture.supplyAsync(() -> run(seed, true), threads));
            }
            try {
                work.run();
            } finally {
                stopped = true;
            }
            return new Result(
                    Latencies.of(reads.stream().map(CompletableFuture::join).toList()),
                    Latencies.of(writes.stream().map(CompletableFuture::join).toList()));
        }
    }

    private Latencies run(int seed, boolean write) {
        Pages pages = new Pages(seed, sizeBytes / Pages.BYTES);
        Latencies latencies = new Latencies();
        ByteBuffer buffer = ByteBuffer.allocateDirect(Pages.BYTES);
        try (NbdClient client = NbdClient.connect(uri)) {
            while (!stopped) {
                long offset = pages.next() * Pages.BYTES;
                buffer.clear();
                long begin = clock.nanoTime();
                if (write) {
                    client.write(offset, buffer);
                } else {
                    client.read(offset, buffer);
                }
                latencies.add(clock.nanoTime() - begin);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return latencies;
    }
}
