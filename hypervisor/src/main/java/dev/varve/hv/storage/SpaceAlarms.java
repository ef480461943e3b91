// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Messages;
import dev.varve.vdi.filter.RoomWatch;
import dev.varve.vdi.store.StoreSpace;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * Tells people with messages that a repository gets full, is full, and has room again.
 *
 * <table>
 * <caption>messages about an SR</caption>
 * <tr><th>name</th><th>priority</th><th>when</th></tr>
 * <tr><td>{@code SR_SPACE_80_PERCENT}</td><td>4</td><td>so much of its space is taken, and was not
 * before</td></tr>
 * <tr><td>{@code SR_SPACE_90_PERCENT}</td><td>3</td><td>the same</td></tr>
 * <tr><td>{@code SR_SPACE_95_PERCENT}</td><td>2</td><td>the same</td></tr>
 * <tr><td>{@code SR_FULL_WRITES_WAIT}</td><td>1</td><td>a disk begins to wait for room</td></tr>
 * <tr><td>{@code SR_WRITES_GO_ON}</td><td>5</td><td>no disk has waited for some seconds</td></tr>
 * </table>
 *
 * <p>Where several limits are passed at once, the highest is told. One is told again only after the
 * space was {@value #BELOW} percent below it.
 *
 * <p><b>Threads:</b> any.
 */
final class SpaceAlarms {
    private static final int BELOW = 5;
    private static final long QUIET_SECONDS = 5;

    private record Limit(int percent, int priority) {
        String message() {
            return "SR_SPACE_" + percent + "_PERCENT";
        }
    }

    /** From the highest on. */
    private static final List<Limit> LIMITS =
            List.of(new Limit(95, 2), new Limit(90, 3), new Limit(80, 4));

    /** What is known to people of a repository. */
    private static final class Known {
        /** The highest limit that was told and still holds; 0 for none. */
        int percent;

        boolean waiting;
    }

    private final StorageEnvironment env;
    private final Messages messages;
    private final Map<String, Known> known = new ConcurrentHashMap<>();

    SpaceAlarms(StorageEnvironment env) {
        this.env = env;
        this.messages = new Messages(env.database(), env.clock(), env.random());
    }

    // ---- getting full

    /**
     * The space of a repository was looked at.
     *
     * @param sr with what was known of its space before
     */
    void looked(ApiObject sr, StoreSpace space) {
        Known state = known.computeIfAbsent(sr.ref(), _ -> asBefore(sr));
        int now = percent(space.physicalUsedBytes(), space.physicalSizeBytes());
        Optional<Limit> reached = highest(now);
        synchronized (state) {
            if (reached.isPresent() && reached.get().percent() > state.percent) {
                state.percent = reached.get().percent();
            } else {
                if (now <= state.percent - BELOW) {
                    state.percent = highest(now + BELOW - 1).map(Limit::percent).orElse(0);
                }
                return;
            }
        }
        String body =
                String.format(
                        Locale.ROOT,
                        "%d %% of the space of %s is taken: %.1f of %.1f GiB. Remove disks, or make"
                                + " it larger.",
                        now,
                        sr.text("name_label"),
                        gibibytes(space.physicalUsedBytes()),
                        gibibytes(space.physicalSizeBytes()));
        post(sr, reached.get().message(), reached.get().priority(), body);
    }

    /** After a restart nothing is told that was told before. */
    private static Known asBefore(ApiObject sr) {
        Known state = new Known();
        int before = percent(sr.number("physical_utilisation"), sr.number("physical_size"));
        state.percent = highest(before).map(Limit::percent).orElse(0);
        return state;
    }

    private static int percent(long used, long size) {
        return size <= 0 ? 0 : (int) (100.0 * used / size);
    }

    private static Optional<Limit> highest(int percent) {
        return LIMITS.stream().filter(limit -> limit.percent() <= percent).findFirst();
    }

    private static double gibibytes(long bytes) {
        return bytes / (double) (1L << 30);
    }

    private void post(ApiObject sr, String name, int priority, String body) {
        messages.post(name, priority, "SR", sr.uuid(), body);
    }

    // ---- full

    /** Watches what the disks of a repository do that was attached. */
    void attached(String sr, RoomWatch room) {
        room.onFirstWait(() -> env.blocking().execute(() -> waits(sr, room)));
    }

    private void waits(String sr, RoomWatch room) {
        Optional<ApiObject> row = env.database().find(sr);
        if (row.isEmpty()) {
            return;
        }
        Known state = known.computeIfAbsent(sr, _ -> asBefore(row.get()));
        synchronized (state) {
            if (state.waiting) {
                return;
            }
            state.waiting = true;
        }
        post(
                row.get(),
                "SR_FULL_WRITES_WAIT",
                1,
                row.get().text("name_label")
                        + " is full. Writes to its disks wait and go on when there is room: remove"
                        + " disks, or make it larger.");
        later(sr, state, room);
    }

    private void later(String sr, Known state, RoomWatch room) {
        env.scheduler()
                .after(
                        QUIET_SECONDS,
                        TimeUnit.SECONDS,
                        () -> env.blocking().execute(() -> look(sr, state, room)));
    }

    private void look(String sr, Known state, RoomWatch room) {
        if (room.waitingDisks() > 0) {
            later(sr, state, room);
            return;
        }
        synchronized (state) {
            state.waiting = false;
        }
        env.database()
                .find(sr)
                .ifPresent(
                        row ->
                                post(
                                        row,
                                        "SR_WRITES_GO_ON",
                                        5,
                                        "No write to a disk of "
                                                + row.text("name_label")
                                                + " waits for room any more."));
    }

    /** The repository is not attached any more. */
    void forget(String sr) {
        known.remove(sr);
    }
}
