// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The changes of a unit, over all lanes, that the target may still carry out though their session
 * has broken.
 *
 * <p>They are published as an array that never changes and is empty nearly always, so that a lane
 * which asks reads one reference and a length, and takes no lock. A change is added before its
 * request can end, and removed when its old nexus has ended. Therefore whoever was told that a
 * change has failed, and writes to the same place by another lane, finds it here. A lane that asks
 * just before a change of another lane is added sends something that overlaps it; both were under
 * way at the same time then, neither was answered, and either may be the one that stays.
 *
 * <p><b>Threads:</b> any; nothing blocks. Only adding and removing allocate.
 */
final class Doubts {
    private static final Doubt[] NONE = {};

    /** A command and the place it changes, in bytes; the command is not looked into. */
    private record Doubt(LunCommand command, long start, long length) {}

    private final AtomicReference<Doubt[]> all = new AtomicReference<>(NONE);

    /** A session broke while a change was under way. */
    void add(LunCommand command) {
        Doubt doubt = new Doubt(command, command.start, command.length);
        all.updateAndGet(
                before -> {
                    Doubt[] after = Arrays.copyOf(before, before.length + 1);
                    after[before.length] = doubt;
                    return after;
                });
    }

    /** The old nexus of a change has ended. Returns whether nothing is in doubt any more. */
    boolean remove(LunCommand command) {
        Doubt[] left =
                all.updateAndGet(
                        before ->
                                Arrays.stream(before)
                                        .filter(each -> each.command != command)
                                        .toArray(Doubt[]::new));
        return left.length == 0;
    }

    /** Whether nothing is in doubt. */
    boolean isEmpty() {
        return all.get().length == 0;
    }

    /** Whether some change in doubt has something in common with a range of bytes. */
    boolean isInDoubt(long start, long length) {
        for (Doubt each : all.get()) {
            if (each.start < start + length && start < each.start + each.length) {
                return true;
            }
        }
        return false;
    }
}
