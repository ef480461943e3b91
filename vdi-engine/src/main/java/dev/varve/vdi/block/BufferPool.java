// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import dev.varve.vdi.Invariant;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Page-aligned native memory in sizes of powers of two, bounded in sum.
 *
 * <p>Each buffer has a page of room before its data, so that a protocol can put a header right in
 * front of the data and send both in one piece.
 *
 * <p><b>Threads:</b> the lane's only.
 */
public final class BufferPool implements AutoCloseable {
    /** How much room is before the data, in bytes. */
    public static final int HEADROOM_BYTES = 4096;

    /** The largest buffer, in bytes of data. */
    public static final int LARGEST_BYTES = 32 << 20;

    private static final int PAGE_BYTES = 4096;
    private static final int SMALLEST_SHIFT = 12;
    private static final int CLASSES = 14;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment[][] free = new MemorySegment[CLASSES][];
    private final int[] freeCount = new int[CLASSES];
    private final long limitBytes;
    private long allocatedBytes;
    private int everAllocated;

    /**
     * @param limitBytes how much memory it may hold in all; at least one buffer of each size is
     *     always to be had, whatever the limit
     */
    public BufferPool(long limitBytes) {
        this.limitBytes = limitBytes;
        for (int i = 0; i < CLASSES; i++) {
            free[i] = new MemorySegment[8];
        }
    }

    /**
     * A buffer whose data begins at {@link #HEADROOM_BYTES} and holds at least the given number of
     * bytes, or null when the limit is reached and the caller has to wait for a release.
     */
    public MemorySegment acquire(int dataBytes) {
        int index = sizeClass(dataBytes);
        MemorySegment buffer = takeFree(index);
        if (buffer != null) {
            return buffer;
        }
        boolean first = (everAllocated & 1 << index) == 0;
        if (first || allocatedBytes + bufferBytes(index) <= limitBytes) {
            return allocate(index);
        }
        for (int larger = index + 1; larger < CLASSES && buffer == null; larger++) {
            buffer = takeFree(larger);
        }
        return buffer;
    }

    /**
     * A buffer, past the limit if need be: for work that others wait for, and of which there is only
     * as much as there are requests in flight.
     */
    public MemorySegment acquireNow(int dataBytes) {
        MemorySegment buffer = acquire(dataBytes);
        return buffer != null ? buffer : allocate(sizeClass(dataBytes));
    }

    private MemorySegment takeFree(int index) {
        if (freeCount[index] == 0) {
            return null;
        }
        MemorySegment buffer = free[index][--freeCount[index]];
        free[index][freeCount[index]] = null;
        return buffer;
    }

    private MemorySegment allocate(int index) {
        allocatedBytes += bufferBytes(index);
        everAllocated |= 1 << index;
        return arena.allocate(bufferBytes(index), PAGE_BYTES);
    }

    private static long bufferBytes(int index) {
        return ((long) PAGE_BYTES << index) + HEADROOM_BYTES;
    }

    /** Takes back a buffer; no I/O on it may be in flight. */
    public void release(MemorySegment buffer) {
        int index = sizeClass((int) (buffer.byteSize() - HEADROOM_BYTES));
        if (freeCount[index] == free[index].length) {
            free[index] = java.util.Arrays.copyOf(free[index], 2 * freeCount[index]);
        }
        free[index][freeCount[index]++] = buffer;
    }

    private static int sizeClass(int dataBytes) {
        Invariant.check(
                dataBytes >= 0 && dataBytes <= LARGEST_BYTES, "a buffer has an allowed size");
        int pages = Math.max(1, (dataBytes + PAGE_BYTES - 1) >> SMALLEST_SHIFT);
        return 32 - Integer.numberOfLeadingZeros(pages - 1);
    }

    /** How much memory it holds, lent out or free, in bytes. */
    public long allocatedBytes() {
        return allocatedBytes;
    }

    @Override
    public void close() {
        arena.close();
    }
}
