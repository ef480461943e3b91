// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.filter;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/**
 * What the disks of one store have in common when it is full: whether their writes wait for room or
 * fail, who waits, and the news that there may be room.
 *
 * <p><b>Threads:</b> any.
 */
public final class RoomWatch {
    /** What happens to a write for which there is no room. */
    public enum WhenFull {
        /** It waits, and goes on when there is room. */
        WAIT,
        /** It fails at once. */
        FAIL
    }

    private final Set<RoomFilter> waiting = ConcurrentHashMap.newKeySet();
    private final AtomicInteger requests = new AtomicInteger();
    private final AtomicLong everHeld = new AtomicLong();
    private final Supplier<WhenFull> whenFull;
    private volatile Runnable firstWaits = () -> {};

    /** Nobody waits yet. */
    public RoomWatch(WhenFull whenFull) {
        this(() -> whenFull);
    }

    /**
     * Nobody waits yet.
     *
     * @param whenFull asked on lanes whenever there is no room, so it must not block; when it says
     *     that writes fail, those that wait do so with their next try
     */
    public RoomWatch(Supplier<WhenFull> whenFull) {
        this.whenFull = whenFull;
    }

    /** What happens now to a write for which there is no room. */
    public WhenFull whenFull() {
        return whenFull.get();
    }

    /**
     * Sets what is run when a disk begins to wait while no other does. It runs on the lane of the
     * disk, so it must not block.
     */
    public void onFirstWait(Runnable action) {
        firstWaits = action;
    }

    /** There may be room: those who wait try again now. */
    public void roomMade() {
        waiting.forEach(RoomFilter::wake);
    }

    /** How many requests wait for room now. */
    public int waitingRequests() {
        return requests.get();
    }

    /** How many disks have requests that wait for room now. */
    public int waitingDisks() {
        return waiting.size();
    }

    /** How many requests ever had to wait for room. */
    public long everHeld() {
        return everHeld.get();
    }

    void begins(RoomFilter filter) {
        boolean first = waiting.isEmpty();
        if (waiting.add(filter) && first) {
            firstWaits.run();
        }
    }

    void ends(RoomFilter filter) {
        waiting.remove(filter);
    }

    void counts(int change, boolean isNew) {
        requests.addAndGet(change);
        if (isNew) {
            everHeld.addAndGet(change);
        }
    }
}
