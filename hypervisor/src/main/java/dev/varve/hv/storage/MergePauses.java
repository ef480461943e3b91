// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.vdi.disk.Merge;
import dev.varve.vdi.time.Clock;

import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * Pairs of images whose merge has not worked out, and is tried again later. Who fails again waits
 * twice as long.
 *
 * <p><b>Threads:</b> any.
 */
final class MergePauses {
    /** Why a pair waits. */
    enum Reason {
        /** Somebody uses one of the images, or the tree has changed; that is nothing to tell. */
        BUSY(1, 60),
        /** It failed. */
        FAILED(10, 3600),
        /** A user has cancelled it. */
        CANCELLED(600, 600);

        private final long firstSeconds;
        private final long lastSeconds;

        Reason(long firstSeconds, long lastSeconds) {
            this.firstSeconds = firstSeconds;
            this.lastSeconds = lastSeconds;
        }
    }

    private record Pair(UUID child, UUID parent) {
        static Pair of(Merge merge) {
            return new Pair(merge.child(), merge.parent());
        }
    }

    private record Pause(Reason reason, long untilNanos, long seconds) {}

    private final Clock clock;
    private final Map<Pair, Pause> pauses = new HashMap<>();

    MergePauses(Clock clock) {
        this.clock = clock;
    }

    /**
     * Has a pair wait.
     *
     * @return whether it is the first time for this reason
     */
    synchronized boolean pause(Merge merge, Reason reason) {
        Pause before = pauses.get(Pair.of(merge));
        boolean again = before != null && before.reason() == reason;
        long seconds =
                again ? Math.min(reason.lastSeconds, before.seconds() * 2) : reason.firstSeconds;
        long until = clock.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        pauses.put(Pair.of(merge), new Pause(reason, until, seconds));
        return !again;
    }

    /** Whether a pair has to wait still. */
    synchronized boolean isPaused(Merge merge) {
        Pause pause = pauses.get(Pair.of(merge));
        return pause != null && pause.untilNanos() - clock.nanoTime() > 0;
    }

    /** Forgets the pairs that there are no more. */
    synchronized void retain(Collection<Merge> possible) {
        Set<Pair> pairs = new HashSet<>();
        possible.forEach(merge -> pairs.add(Pair.of(merge)));
        pauses.keySet().retainAll(pairs);
    }

    /** Whether a pair waits because its merge has failed. */
    synchronized boolean hasFailed() {
        return pauses.values().stream().anyMatch(pause -> pause.reason() == Reason.FAILED);
    }

    /** How long until the next pair may be tried again, in nanoseconds; nothing when none waits. */
    synchronized OptionalLong nextNanos() {
        long now = clock.nanoTime();
        return pauses.values().stream()
                .mapToLong(pause -> pause.untilNanos() - now)
                .filter(left -> left > 0)
                .min();
    }
}
