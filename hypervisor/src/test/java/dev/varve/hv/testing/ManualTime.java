// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.testing;

import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Scheduler;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A clock and a scheduler that only move when a test says so. */
public final class ManualTime implements Clock, Scheduler {
    private final List<Entry> entries = new ArrayList<>();
    private long nanos;

    private record Entry(long due, Runnable work) {}

    /** Starts at a fixed time. */
    public ManualTime() {}

    @Override
    public synchronized long nanoTime() {
        return nanos;
    }

    @Override
    public synchronized long epochMillis() {
        return 1_800_000_000_000L + TimeUnit.NANOSECONDS.toMillis(nanos);
    }

    @Override
    public synchronized Handle after(long delay, TimeUnit unit, Runnable work) {
        Entry entry = new Entry(nanos + unit.toNanos(delay), work);
        entries.add(entry);
        return () -> cancel(entry);
    }

    private synchronized void cancel(Entry entry) {
        entries.remove(entry);
    }

    /** Lets time pass and runs what is due. */
    public void advance(long delay, TimeUnit unit) {
        long target;
        synchronized (this) {
            target = nanos + unit.toNanos(delay);
        }
        while (true) {
            Entry next;
            synchronized (this) {
                next = null;
                for (Entry entry : entries) {
                    if (entry.due() <= target && (next == null || entry.due() < next.due())) {
                        next = entry;
                    }
                }
                if (next == null) {
                    nanos = target;
                    return;
                }
                entries.remove(next);
                nanos = Math.max(nanos, next.due());
            }
            next.work().run();
        }
    }

    @Override
    public synchronized void close() {
        entries.clear();
    }
}
