// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.spi.Claims.Claim;
import dev.varve.sr.spi.Claims.Mode;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.BooleanSupplier;

/** What hosts believe that they have, and what was done; the rules that must hold at any moment. */
final class SharedModel {
    /** All disks at once, or the metadata of the group. */
    static final UUID ALL = new UUID(0, 0);

    static final UUID METADATA = new UUID(0, 99);

    /** Somebody's use of something, as long as it is alive and not fenced. */
    record Use(UUID vdi, Mode mode, String who, BooleanSupplier valid) {
        boolean excludes(Use other) {
            boolean same =
                    vdi.equals(other.vdi)
                            || (vdi.equals(ALL) && !other.vdi.equals(METADATA))
                            || (other.vdi.equals(ALL) && !vdi.equals(METADATA));
            return same && (mode == Mode.WRITE || other.mode == Mode.WRITE);
        }
    }

    private final List<Use> uses = new ArrayList<>();
    private final Map<Long, Integer> carriedOut = new HashMap<>();
    private final Map<UUID, Long> epochs = new HashMap<>();
    int claimed;
    int refused;
    int aloneTimes;
    int answered;
    int unanswered;
    int forced;
    int restarts;

    Use begin(UUID vdi, Mode mode, String who, BooleanSupplier valid) {
        Use use = new Use(vdi, mode, who, valid);
        uses.add(use);
        check();
        return use;
    }

    void end(Use use) {
        uses.remove(use);
    }

    void endAll(String who) {
        uses.removeIf(use -> use.who().equals(who));
    }

    void check() {
        for (int i = 0; i < uses.size(); i++) {
            for (int k = i + 1; k < uses.size(); k++) {
                Use a = uses.get(i);
                Use b = uses.get(k);
                if (!a.who().equals(b.who()) && a.excludes(b)) {
                    assertTrue(
                            !a.valid().getAsBoolean() || !b.valid().getAsBoolean(),
                            () -> a + " beside " + b);
                }
            }
        }
    }

    /** A host has got a claim, and is not fenced. */
    void claimed(Claim claim) {
        claimed++;
        if (claim.mode() == Mode.WRITE) {
            long last = epochs.getOrDefault(claim.vdi(), 0L);
            assertTrue(claim.epoch() > last, () -> claim + " after epoch " + last);
            epochs.put(claim.vdi(), claim.epoch());
        }
    }

    void carryOut(long request) {
        assertEquals(1, carriedOut.merge(request, 1, Integer::sum), "request " + request);
    }

    void answered(long request) {
        answered++;
        assertEquals(1, carriedOut.get(request), "request " + request);
    }
}
