// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.disk.Merge;
import dev.varve.vdi.engine.ImageMerge.Direction;
import dev.varve.vdi.store.StoreSpace;

import org.junit.jupiter.api.Test;

import java.util.UUID;

/** Merges in a store that is full and keeps some room back. */
class MergeRoomTest {
    private static final long MIB = 1 << 20;

    private long free = 10 * MIB;
    private long reserve = 16 * MIB;
    private final MergeRoom room =
            new MergeRoom(() -> new StoreSpace(100 * MIB, 100 * MIB - free), this::use);

    private long use(long bytes) {
        long used = Math.min(bytes, reserve);
        reserve -= used;
        free += used;
        return used;
    }

    private static Merge merge(long bytes) {
        return new Merge(
                new UUID(1, 1),
                new UUID(1, 2),
                Direction.DOWN,
                false,
                java.util.Set.of(),
                new UUID(1, 3),
                2,
                bytes);
    }

    @Test
    void theReserveIsTouchedOnlyWhenItIsNeeded() {
        assertTrue(room.isThere(merge(10 * MIB)));
        assertEquals(16 * MIB, reserve);
        assertTrue(room.isThere(merge(12 * MIB)));
        assertEquals(14 * MIB, reserve);
    }

    @Test
    void whatTheReserveIsTooSmallForHasNoRoom() {
        assertFalse(room.isThere(merge(50 * MIB)));
    }

    /** Without that, a merge that never fits would be tried again and again. */
    @Test
    void aMergeIsTriedAgainAtOnceOnlyOnce() {
        Merge merge = merge(4 * MIB);
        assertTrue(room.makeFor(merge));
        assertEquals(12 * MIB, reserve);
        assertFalse(room.makeFor(merge));
        assertEquals(12 * MIB, reserve);
        assertTrue(room.makeFor(merge), "after its pause it is helped again");
        room.forget(merge);
        assertTrue(room.makeFor(merge));
    }

    @Test
    void whenNothingIsKeptBackItIsNotTriedAgain() {
        reserve = 0;
        assertFalse(room.makeFor(merge(MIB)));
        assertFalse(room.makeFor(merge(MIB)));
    }
}
