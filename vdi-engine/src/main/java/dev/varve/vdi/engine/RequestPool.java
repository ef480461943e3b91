// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.Invariant;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.BufferPool;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;

/**
 * The requests that a disk can have in flight, and the memory for their data. A front end that gets
 * none stops taking requests from its client and is told when there is one again.
 *
 * <p>Memory is shared by the disks of a lane, but each can always have {@value #OWN_BYTES} bytes,
 * or what one request needs, whatever the others hold: so a disk that is stuck delays no other.
 *
 * <p><b>Threads:</b> the lane's only.
 */
public final class RequestPool {
    /** How much memory each user of a disk can have at any time, in bytes. */
    public static final int ALWAYS_BYTES = 256 << 10;

    private static final long OWN_BYTES = 4L << 20;

    private final BlockRequest[] free;
    private final ArrayDeque<Runnable> waiting = new ArrayDeque<>();
    private final Runnable wakeAll = this::wakeAll;
    private final Lane lane;
    private boolean wakeScheduled;
    private int freeCount;
    private long memoryBytes;

    RequestPool(Lane lane, int size) {
        this.lane = lane;
        free = new BlockRequest[size];
        for (int i = 0; i < size; i++) {
            free[i] = new BlockRequest(lane);
        }
        freeCount = size;
    }

    /** A request, or null when all are in flight. */
    public BlockRequest tryAcquire() {
        if (freeCount == 0) {
            return null;
        }
        BlockRequest request = free[--freeCount];
        free[freeCount] = null;
        return request;
    }

    /** Memory for the data of a request, or null: wait with {@link BufferPool#whenReleased}. */
    public MemorySegment acquireMemory(int dataBytes) {
        boolean own = memoryBytes == 0 || memoryBytes + dataBytes <= OWN_BYTES;
        BufferPool buffers = lane.buffers();
        MemorySegment memory = own ? buffers.acquireNow(dataBytes) : buffers.acquire(dataBytes);
        memoryBytes += memory == null ? 0 : memory.byteSize();
        return memory;
    }

    /**
     * Memory for the data of a request, past all limits: for a user of the disk who has none, so
     * that other users of the same disk who keep theirs do not keep him from it.
     *
     * @param dataBytes at most {@link #ALWAYS_BYTES}
     */
    public MemorySegment acquireMemoryNow(int dataBytes) {
        Invariant.check(dataBytes <= ALWAYS_BYTES, "little is taken past the limits");
        MemorySegment memory = lane.buffers().acquireNow(dataBytes);
        memoryBytes += memory.byteSize();
        return memory;
    }

    /** Takes memory back. */
    public void releaseMemory(MemorySegment memory) {
        memoryBytes -= memory.byteSize();
        lane.buffers().release(memory);
    }

    /**
     * Takes a request back that was not used. It wakes nobody, who would only do the same again.
     */
    public void putBack(BlockRequest request) {
        Invariant.check(freeCount < free.length, "a request is released once");
        free[freeCount++] = request;
    }

    /** Takes a request back; those who wait try again at the end of the turn. */
    public void release(BlockRequest request) {
        request.buffer = null;
        request.owner = null;
        putBack(request);
        if (!waiting.isEmpty() && !wakeScheduled) {
            wakeScheduled = true;
            lane.atEndOfTurn(wakeAll);
        }
    }

    /** All who wait try again, in the order in which they came; some will wait anew. */
    private void wakeAll() {
        wakeScheduled = false;
        for (int count = waiting.size(); count > 0; count--) {
            waiting.poll().run();
        }
    }

    /** Runs the action once, soon after a request has come free. */
    public void whenFree(Runnable action) {
        waiting.add(action);
    }

    /** How many requests are in flight. */
    public int inUse() {
        return free.length - freeCount;
    }
}
