// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Threads;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.locks.LockSupport;

/**
 * How long it takes until everybody who listens has heard of a change. Changes are apart, so that
 * each finds all listeners waiting; but for the first, which may come before the last of them has
 * begun, and is not counted.
 */
final class EventDelays {
    /** Somebody who listens. */
    interface Listener extends AutoCloseable {
        /** Waits for the next change and gives its number. */
        int await() throws IOException;

        @Override
        void close() throws IOException;
    }

    /** Makes a change. */
    interface Change {
        void make(int number) throws IOException;
    }

    private static final long APART_NANOS = TimeUnit.MILLISECONDS.toNanos(20);
    private static final long LIMIT_SECONDS = 30;

    private final Clock clock = Clock.system();
    private final int changes;
    private final AtomicLongArray begins;
    private final List<CountDownLatch> heard = new ArrayList<>();

    private EventDelays(int changes, int listeners) {
        this.changes = changes;
        this.begins = new AtomicLongArray(changes);
        for (int i = 0; i < changes; i++) {
            heard.add(new CountDownLatch(listeners));
        }
    }

    /**
     * Makes so many changes, numbered from 0 on, and gives the delays of all listeners. Closes the
     * listeners.
     */
    static Latencies measure(List<? extends Listener> listeners, int changes, Change change)
            throws IOException, InterruptedException {
        EventDelays delays = new EventDelays(changes, listeners.size());
        List<CompletableFuture<Latencies>> parts = new ArrayList<>();
        try (ExecutorService threads = Threads.blockingPool("listener-")) {
            for (Listener listener : listeners) {
                parts.add(CompletableFuture.supplyAsync(() -> delays.listen(listener), threads));
            }
            try {
                delays.makeAll(change);
            } finally {
                for (Listener listener : listeners) {
                    listener.close();
                }
            }
        }
        return Latencies.of(parts.stream().map(CompletableFuture::join).toList());
    }

    private void makeAll(Change change) throws IOException, InterruptedException {
        for (int i = 0; i < changes; i++) {
            LockSupport.parkNanos(APART_NANOS);
            begins.set(i, clock.nanoTime());
            change.make(i);
            if (!heard.get(i).await(LIMIT_SECONDS, TimeUnit.SECONDS)) {
                throw new IOException("not everybody has heard of change " + i);
            }
        }
    }

    private Latencies listen(Listener listener) {
        Latencies delays = new Latencies();
        try {
            for (int i = 0; i < changes; i++) {
                int number = listener.await();
                if (number != i) {
                    throw new IOException("heard of change " + number + ", not of " + i);
                }
                if (i > 0) {
                    delays.add(clock.nanoTime() - begins.get(number));
                }
                heard.get(number).countDown();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return delays;
    }
}
