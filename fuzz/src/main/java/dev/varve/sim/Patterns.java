// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;

/**
 * What the sectors of a disk are filled with: each write has a number, its <i>stamp</i>, and the
 * content of a sector follows from the stamp and the sector's place. Stamp 0 is zeros.
 */
final class Patterns {
    static final int SECTOR = 512;
    static final int ZERO = 0;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;

    /** Stamps whose sectors all hold the same chosen bytes. */
    private final Map<Integer, byte[]> chosen = new HashMap<>();

    private int next = 1;

    /** A new stamp. */
    int stamp() {
        return next++;
    }

    /** A new stamp for sectors of chosen content. */
    int stampFor(byte[] sector) {
        chosen.put(next, sector.clone());
        return next++;
    }

    void fill(MemorySegment memory, long at, int stamp, long firstSector, int sectors) {
        byte[] fixed = chosen.get(stamp);
        for (int i = 0; i < sectors; i++) {
            long start = at + (long) i * SECTOR;
            if (fixed != null) {
                MemorySegment.copy(fixed, 0, memory, ValueLayout.JAVA_BYTE, start, SECTOR);
            } else {
                for (int word = 0; word < SECTOR; word += 8) {
                    memory.set(LONG, start + word, word(stamp, firstSector + i, word));
                }
            }
        }
    }

    private static long word(int stamp, long sector, int word) {
        if (stamp == ZERO) {
            return 0;
        }
        long mixed = ((long) stamp << 32 | sector) * 0x9E3779B97F4A7C15L + word;
        return mixed ^ mixed >>> 31;
    }

    /** Whether a sector in memory has the content of a stamp. */
    boolean matches(MemorySegment memory, long at, int stamp, long sector) {
        byte[] fixed = chosen.isEmpty() ? null : chosen.get(stamp);
        if (fixed != null) {
            return MemorySegment.mismatch(
                            memory, at, at + SECTOR, MemorySegment.ofArray(fixed), 0, SECTOR)
                    < 0;
        }
        for (int word = 0; word < SECTOR; word += 8) {
            if (memory.get(LONG, at + word) != word(stamp, sector, word)) {
                return false;
            }
        }
        return true;
    }

    /** For messages: which stamp a sector in memory has. */
    String name(MemorySegment memory, long at, long sector) {
        for (int stamp = 0; stamp < next; stamp++) {
            if (matches(memory, at, stamp, sector)) {
                return "the value " + stamp;
            }
        }
        for (int stamp = 1; stamp < next; stamp++) {
            for (long other = 0; other < 1 << 18; other++) {
                if (matches(memory, at, stamp, other)) {
                    return "the value %d of sector %d".formatted(stamp, other);
                }
            }
        }
        return "something that was never written";
    }
}
