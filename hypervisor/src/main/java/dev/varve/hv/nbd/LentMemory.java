// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.block.BufferPool;
import dev.varve.vdi.ffi.Libc;

import java.lang.foreign.MemorySegment;

/**
 * Memory that a connection has only while it needs it: from the pool of its disk's lane, or from
 * the system while it has no disk.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class LentMemory {
    private MemorySegment memory;
    private BufferPool pool;

    /** The memory, or null. */
    MemorySegment memory() {
        return memory;
    }

    /** Takes memory if the pool has some to spare. */
    boolean tryTake(BufferPool from, int bytes) {
        memory = from.acquire(bytes);
        pool = from;
        return memory != null;
    }

    /**
     * Takes memory, past the limit of the pool if need be: a client that holds what others wait for
     * must not keep them from being heard. The number of connections bounds how much that is.
     *
     * @param from the pool, or null for the system
     * @param bytes a multiple of 4096
     */
    MemorySegment take(BufferPool from, int bytes) {
        pool = from;
        memory = from == null ? Libc.allocatePages(bytes) : from.acquireNow(bytes);
        return memory;
    }

    /** Gives the memory back, if there is any. */
    void giveBack() {
        if (memory == null) {
            return;
        }
        if (pool == null) {
            Libc.free(memory);
        } else {
            pool.release(memory);
        }
        memory = null;
        pool = null;
    }
}
