// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.filter;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Counts what goes through.
 *
 * <p><b>Threads:</b> requests on the lane's thread; counters may be read anywhere.
 */
public final class StatsFilter extends BlockFilter {
    /** What is counted. */
    public enum Counter {
        /** Reads that were done. */
        READS("requests"),
        /** Data read. */
        READ_BYTES("bytes"),
        /** Writes that were done. */
        WRITES("requests"),
        /** Data written. */
        WRITE_BYTES("bytes"),
        /** Flushes that were done. */
        FLUSHES("requests"),
        /** Ranges given back or made zero. */
        DISCARDS("requests"),
        /** Requests that failed. */
        ERRORS("requests"),
        /** Requests that are on their way. */
        IN_FLIGHT("requests");

        private final String unit;

        Counter(String unit) {
            this.unit = unit;
        }

        /** The unit of the counter. */
        public String unit() {
            return unit;
        }
    }

    private final AtomicLongArray counters = new AtomicLongArray(Counter.values().length);
    private final BlockCompletion done = this::done;

    /** A filter whose counters are zero. */
    public StatsFilter() {}

    @Override
    public void submit(BlockRequest request) {
        add(Counter.IN_FLIGHT, 1);
        request.push(done);
        next().submit(request);
    }

    private void done(BlockRequest request) {
        add(Counter.IN_FLIGHT, -1);
        if (request.status != IoStatus.OK) {
            add(Counter.ERRORS, 1);
        } else {
            count(request.op, request.length);
        }
        request.complete(request.status);
    }

    private void count(BlockOp op, long length) {
        switch (op) {
            case READ -> {
                add(Counter.READS, 1);
                add(Counter.READ_BYTES, length);
            }
            case WRITE -> {
                add(Counter.WRITES, 1);
                add(Counter.WRITE_BYTES, length);
            }
            case FLUSH -> add(Counter.FLUSHES, 1);
            case DISCARD, WRITE_ZEROES -> add(Counter.DISCARDS, 1);
            case EXTENTS -> {}
        }
    }

    /** One thread writes, so a plain addition and an ordered store are enough. */
    private void add(Counter counter, long amount) {
        int index = counter.ordinal();
        counters.setRelease(index, counters.getPlain(index) + amount);
    }

    /** The value of a counter. */
    public long get(Counter counter) {
        return counters.getAcquire(counter.ordinal());
    }

    /** All counters. */
    public Map<Counter, Long> snapshot() {
        Map<Counter, Long> values = new EnumMap<>(Counter.class);
        for (Counter counter : Counter.values()) {
            values.put(counter, get(counter));
        }
        return values;
    }
}
