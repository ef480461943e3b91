// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import dev.varve.vdi.Invariant;
import dev.varve.vdi.ffi.Libc;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.function.Consumer;

/**
 * Page-aligned native memory in sizes of powers of two, bounded in sum. What is free in one size
 * makes way for another when the bound is reached.
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

    private final MemorySegment[][] free = new MemorySegment[CLASSES][8];
    private final int[] freeCount = new int[CLASSES];
    private final ArrayDeque<Runnable> waiting = new ArrayDeque<>();
    private final Runnable wakeAll = this::wakeAll;
    private final Consumer<Runnable> later;
    private final long limitBytes;
    private long allocatedBytes;
    private boolean wakeScheduled;

    /**
     * A pool of a lane.
     *
     * @param limitBytes how much memory it holds in all, but for {@link #acquireNow}
     * @param later runs a task soon, but not now: those who wait for memory
     */
    public BufferPool(long limitBytes, Consumer<Runnable> later) {
        this.limitBytes = limitBytes;
        this.later = later;
    }

    /**
     * A buffer whose data begins at {@link #HEADROOM_BYTES} and holds at least the given number of
     * bytes, or null when so much is lent that the caller has to wait: see {@link #whenReleased}.
     */
    public MemorySegment acquire(int dataBytes) {
        int index = sizeClass(dataBytes);
        if (freeCount[index] > 0) {
            return takeFree(index);
        }
        makeRoom(bufferBytes(index));
        return allocatedBytes + bufferBytes(index) <= limitBytes ? allocate(index) : null;
    }

    /**
     * A buffer, past the limit if need be: for work that others wait for, and of which there is
     * only as much as there are requests in flight.
     */
    public MemorySegment acquireNow(int dataBytes) {
        MemorySegment buffer = acquire(dataBytes);
        return buffer != null ? buffer : allocate(sizeClass(dataBytes));
    }

    private MemorySegment takeFree(int index) {
        MemorySegment buffer = free[index][--freeCount[index]];
        free[index][freeCount[index]] = null;
        return buffer;
    }

    private MemorySegment allocate(int index) {
        allocatedBytes += bufferBytes(index);
        return Libc.allocatePages(bufferBytes(index));
    }

    /** Gives free buffers back to the system, the largest first, until there is room. */
    private void makeRoom(long bytes) {
        for (int index = CLASSES - 1; index >= 0; index--) {
            while (allocatedBytes + bytes > limitBytes && freeCount[index] > 0) {
                Libc.free(takeFree(index));
                allocatedBytes -= bufferBytes(index);
            }
        }
    }

    private static long bufferBytes(int index) {
        return ((long) PAGE_BYTES << index) + HEADROOM_BYTES;
    }

    /** Takes back a buffer; no I/O on it may be in flight. */
    public void release(MemorySegment buffer) {
        int index = sizeClass((int) (buffer.byteSize() - HEADROOM_BYTES));
        if (allocatedBytes > limitBytes) {
            Libc.free(buffer);
            allocatedBytes -= bufferBytes(index);
        } else {
            keep(index, buffer);
        }
        if (!waiting.isEmpty() && !wakeScheduled) {
            wakeScheduled = true;
            later.accept(wakeAll);
        }
    }

    private void keep(int index, MemorySegment buffer) {
        if (freeCount[index] == free[index].length) {
            free[index] = Arrays.copyOf(free[index], 2 * freeCount[index]);
        }
        free[index][freeCount[index]++] = buffer;
    }

    /** Runs the action once, soon after memory has come back. */
    public void whenReleased(Runnable action) {
        waiting.add(action);
    }

    /** All who wait try again, in the order in which they came; some will wait anew. */
    private void wakeAll() {
        wakeScheduled = false;
        for (int count = waiting.size(); count > 0; count--) {
            waiting.poll().run();
        }
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

    /** Gives free buffers back to the system. What is lent stays with whoever has it. */
    @Override
    public void close() {
        for (int index = 0; index < CLASSES; index++) {
            while (freeCount[index] > 0) {
                Libc.free(takeFree(index));
                allocatedBytes -= bufferBytes(index);
            }
        }
    }
}
