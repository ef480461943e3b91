// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * The parameter list of UNMAP (SBC-3, 5.28.2), with one range.
 *
 * <table>
 * <caption>24 bytes, big-endian</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>0</td><td>2</td><td>bytes that follow these two: 22</td></tr>
 * <tr><td>2</td><td>2</td><td>bytes of ranges: 16</td></tr>
 * <tr><td>8</td><td>8</td><td>first block</td></tr>
 * <tr><td>16</td><td>4</td><td>how many blocks</td></tr>
 * </table>
 */
public final class UnmapList {
    /** The size of a list with one range. */
    public static final int BYTES = 24;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private UnmapList() {}

    /** Puts a list into memory. */
    public static void put(MemorySegment memory, long at, long block, int count) {
        memory.set(SHORT, at, (short) (BYTES - 2));
        memory.set(SHORT, at + 2, (short) (BYTES - 8));
        memory.set(INT, at + 4, 0);
        memory.set(LONG, at + 8, block);
        memory.set(INT, at + 16, count);
        memory.set(INT, at + 20, 0);
    }
}
