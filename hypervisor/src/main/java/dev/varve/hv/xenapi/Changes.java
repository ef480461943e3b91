// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.xenapi.schema.ApiClass;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;

/**
 * In which order objects changed last. Of each object there is one entry, so an object that changes
 * often does not push others out, and who comes late gets its latest state only.
 *
 * <p><b>Invariants:</b> every change has a number, greater than all before. Objects that are gone
 * are remembered, the last {@link #MOST_GONE} of them.
 *
 * <p><b>Threads:</b> any.
 */
final class Changes {
    /** How many objects that are gone are remembered. */
    static final int MOST_GONE = 50_000;

    /**
     * The last change of an object.
     *
     * @param number of the change
     * @param made the number of the change that made the object
     * @param gone whether the change took it away
     */
    record Change(long number, long made, ApiClass type, String ref, String uuid, boolean gone) {
        /** Whether somebody who knows all up to a number learns nothing by this change. */
        boolean isNothingTo(long known) {
            return gone && made > known;
        }
    }

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition more = lock.newCondition();
    private final TreeMap<Long, Change> order = new TreeMap<>();
    private final Map<String, Change> byRef = new HashMap<>();
    private final ArrayDeque<Long> gone = new ArrayDeque<>();
    private long latest;
    private long forgotten;

    /** Notes that an object was made or changed; gives the number of the change. */
    long changed(ApiObject object) {
        return note(object, false);
    }

    /** Notes that an object is gone. */
    void deleted(ApiObject object) {
        note(object, true);
    }

    private long note(ApiObject object, boolean isGone) {
        lock.lock();
        try {
            if (object.type().is(ApiClass.Trait.UNLISTED)) {
                return latest;
            }
            latest++;
            Change before = byRef.remove(object.ref());
            if (before != null) {
                order.remove(before.number());
            }
            long made = before == null ? latest : before.made();
            Change change =
                    new Change(latest, made, object.type(), object.ref(), object.uuid(), isGone);
            order.put(latest, change);
            if (isGone) {
                gone.add(latest);
                forgetOldest();
            } else {
                byRef.put(object.ref(), change);
            }
            more.signalAll();
            return latest;
        } finally {
            lock.unlock();
        }
    }

    private void forgetOldest() {
        if (gone.size() > MOST_GONE) {
            forgotten = gone.remove();
            order.remove(forgotten);
        }
    }

    /** The number of the latest change. */
    long latest() {
        lock.lock();
        try {
            return latest;
        } finally {
            lock.unlock();
        }
    }

    /** Whether all that happened after a change can still be told. */
    boolean reachesBackTo(long number) {
        lock.lock();
        try {
            return number == 0 || number >= forgotten;
        } finally {
            lock.unlock();
        }
    }

    /** Lets those that wait look again at whether they still want to. */
    void wake() {
        lock.lock();
        try {
            more.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /**
     * The changes after a number that somebody is interested in.
     *
     * @param latest the number up to which these are all
     */
    record Batch(List<Change> changes, long latest) {}

    /**
     * Waits until there are changes of interest after the given one, at most so long.
     *
     * @param stay asked before each wait; false ends it. It must not take locks that are held while
     *     {@link #wake} is called
     */
    Batch await(long after, Predicate<Change> interest, long nanos, BooleanSupplier stay)
            throws InterruptedException {
        long left = nanos;
        long seen = after;
        lock.lock();
        try {
            while (true) {
                List<Change> found = new ArrayList<>();
                for (Change change : order.tailMap(seen, false).values()) {
                    if (!change.isNothingTo(after) && interest.test(change)) {
                        found.add(change);
                    }
                }
                seen = latest;
                if (!found.isEmpty() || left <= 0 || !stay.getAsBoolean()) {
                    return new Batch(found, latest);
                }
                left = more.awaitNanos(left);
            }
        } finally {
            lock.unlock();
        }
    }
}
