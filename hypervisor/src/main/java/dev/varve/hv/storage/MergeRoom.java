// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.vdi.disk.Merge;
import dev.varve.vdi.store.StoreSpace;

import java.util.HashSet;
import java.util.Set;
import java.util.function.LongUnaryOperator;
import java.util.function.Supplier;

/**
 * Room for merges in a store that is full. What a merge copies is there twice until it is
 * committed, and after that there is more room than before; so a merge gets what the store keeps
 * back.
 *
 * <p><b>Threads:</b> any.
 */
final class MergeRoom {
    private final Supplier<StoreSpace> space;
    private final LongUnaryOperator useReserve;
    private final Set<Merge> helped = new HashSet<>();

    /**
     * @param space how much room there is now
     * @param useReserve as {@link dev.varve.vdi.store.VolumeStore#useReserve}
     */
    MergeRoom(Supplier<StoreSpace> space, LongUnaryOperator useReserve) {
        this.space = space;
        this.useReserve = useReserve;
    }

    /** Whether there is room for all that a merge may copy, with the reserve if it takes that. */
    boolean isThere(Merge merge) {
        long missing = merge.bytes() - freeBytes();
        return missing <= 0 || useReserve.applyAsLong(missing) >= missing;
    }

    /** How much room there is, in bytes. */
    long freeBytes() {
        return space.get().freeBytes();
    }

    /**
     * A merge found no room. True when it is to be tried again at once, because there is some now:
     * that happens once until it has succeeded or failed again.
     */
    boolean makeFor(Merge merge) {
        synchronized (helped) {
            if (!helped.add(merge)) {
                helped.remove(merge);
                return false;
            }
        }
        boolean made = useReserve.applyAsLong(merge.bytes()) > 0;
        if (!made) {
            forget(merge);
        }
        return made;
    }

    /** A merge needs no room any more. */
    void forget(Merge merge) {
        synchronized (helped) {
            helped.remove(merge);
        }
    }
}
