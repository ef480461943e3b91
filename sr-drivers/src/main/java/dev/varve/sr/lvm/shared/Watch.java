// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import java.util.HashMap;
import java.util.Map;

/**
 * Since when each other host has been silent, on the clock of this one. The beat of a host only
 * grows, so two looks that find the same one prove that the host did not get to say anything in
 * between, however long this host itself stood still.
 *
 * <p><b>Threads:</b> any.
 */
final class Watch {
    private record Seen(long incarnation, long beat, long sinceNanos, long silentNanos) {
        boolean isSame(HostRecord record) {
            return incarnation == record.incarnation() && beat == record.beat();
        }
    }

    private final Map<Integer, Seen> seen = new HashMap<>();

    /**
     * Takes note of a look.
     *
     * @param begin when it began
     * @param end when it was over
     */
    synchronized void note(int slot, HostRecord record, long begin, long end) {
        Seen last = seen.get(slot);
        if (last != null && last.isSame(record)) {
            long silent = Math.max(last.silentNanos(), begin - last.sinceNanos());
            seen.put(slot, new Seen(last.incarnation(), last.beat(), last.sinceNanos(), silent));
        } else {
            seen.put(slot, new Seen(record.incarnation(), record.beat(), end, 0));
        }
    }

    /** For how long at least a host has been silent, as of the last look. */
    synchronized long silentNanos(int slot, HostRecord record) {
        Seen last = seen.get(slot);
        return last != null && last.isSame(record) ? last.silentNanos() : 0;
    }
}
