// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.session;

import java.util.ArrayList;
import java.util.List;

/**
 * What was written and not flushed yet, in order, so that it can be written again when the device
 * may have lost it.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class UnflushedWrites {
    /** How much is kept, in bytes, before somebody has to flush. */
    static final int MOST_BYTES = 16 << 20;

    /**
     * A write.
     *
     * @param block where it begins
     * @param count how many blocks it has
     * @param data what was written; null for zeros
     */
    record Written(long block, long count, byte[] data) {}

    private final List<Written> writes = new ArrayList<>();
    private long bytes;

    void add(long block, long count, byte[] data) {
        writes.add(new Written(block, count, data));
        bytes += data == null ? 0 : data.length;
    }

    boolean areTooMany() {
        return bytes >= MOST_BYTES || writes.size() >= 1 << 14;
    }

    boolean isEmpty() {
        return writes.isEmpty();
    }

    List<Written> all() {
        return List.copyOf(writes);
    }

    void clear() {
        writes.clear();
        bytes = 0;
    }
}
