// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.Invariant;
import dev.varve.vdi.block.BlockRequest;
import java.util.ArrayDeque;

/**
 * The requests that a disk can have in flight. A front end that gets none stops taking requests from
 * its client and is told when there is one again, so no client can take the disk's share of a lane.
 *
 * <p><b>Threads:</b> the lane's only.
 */
public final class RequestPool {
    private final BlockRequest[] free;
    private final ArrayDeque<Runnable> waiting = new ArrayDeque<>();
    private final Runnable wakeAll = this::wakeAll;
    private final Lane lane;
    private boolean wakeScheduled;
    private int freeCount;

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

    /** Takes a request back that was not used. It wakes nobody, who would only do the same again. */
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

    /** Runs the action once, when a request or memory has come free. */
    public void whenFree(Runnable action) {
        waiting.add(action);
    }

    /** How many requests are in flight. */
    public int inUse() {
        return free.length - freeCount;
    }
}
