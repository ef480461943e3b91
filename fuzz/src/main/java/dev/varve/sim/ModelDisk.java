// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What a disk may hold: for each sector the set of stamps that a read may find.
 *
 * <p>Changes of the same sector are never in flight together, so they have an order. While the
 * power is on, a sector holds what its last completed change left, or what one that is in flight
 * brings. After a crash it holds what its last durable change left, or what any later one brought.
 * A discard may or may not make zeros and so adds a possibility without taking one away.
 */
final class ModelDisk {
    /** A change, from its submission on. */
    static final class Change {
        final int first;
        final int end;
        final int stamp;
        final boolean discard;
        boolean completed;
        boolean durable;
        private long completedAt;

        private Change(int first, int end, int stamp, boolean discard) {
            this.first = first;
            this.end = end;
            this.stamp = stamp;
            this.discard = discard;
        }
    }

    private final List<Change> changes = new ArrayList<>();
    private int[] settled;
    private long time;
    private int[] candidates = new int[16];
    private int candidateCount;

    /** A disk of zeros. */
    ModelDisk(long sizeBytes) {
        settled = new int[(int) (sizeBytes / Patterns.SECTOR)];
    }

    long sizeBytes() {
        return (long) settled.length * Patterns.SECTOR;
    }

    /** The disk has become larger; the new sectors are zero. */
    void resize(long sizeBytes) {
        settled = Arrays.copyOf(settled, (int) (sizeBytes / Patterns.SECTOR));
    }

    /** A change is submitted. */
    Change begin(long offset, long length, int stamp, boolean discard) {
        int first = (int) (offset / Patterns.SECTOR);
        int end = (int) ((offset + length) / Patterns.SECTOR);
        Change change = new Change(first, end, stamp, discard);
        changes.add(change);
        return change;
    }

    /** A change has completed. */
    void complete(Change change, boolean durable) {
        change.completed = true;
        change.completedAt = ++time;
        change.durable = durable;
        settle();
    }

    /** A flush is submitted; gives what {@link #flushed} wants to know. */
    long mark() {
        return time;
    }

    /** A flush has completed that was submitted at the mark. */
    void flushed(long mark) {
        for (Change change : changes) {
            change.durable |= change.completed && change.completedAt <= mark;
        }
        settle();
    }

    /** The oldest changes are forgotten when nothing about them is unsure. */
    private void settle() {
        int done = 0;
        for (Change change : changes) {
            if (!change.durable || change.discard) {
                break;
            }
            Arrays.fill(settled, change.first, change.end, change.stamp);
            done++;
        }
        changes.subList(0, done).clear();
    }

    /** A sector was read after a crash, which decides what it holds. */
    void decide(int sector, int stamp) {
        settled[sector] = stamp;
    }

    /** After all sectors are decided: nothing is unsure any more. */
    void decided() {
        changes.clear();
    }

    /** The changes that touch a range. */
    List<Change> touching(int first, int end) {
        List<Change> touching = new ArrayList<>();
        for (Change change : changes) {
            if (change.first < end && first < change.end) {
                touching.add(change);
            }
        }
        return touching;
    }

    /**
     * Collects the stamps that a sector may have; asked for with {@link #candidate}.
     *
     * @param among the changes that may touch the sector
     * @return how many there are
     */
    int candidates(int sector, List<Change> among, boolean afterCrash) {
        candidateCount = 0;
        add(settled[sector]);
        for (int i = 0; i < among.size(); i++) {
            Change change = among.get(i);
            if (change.first <= sector && sector < change.end) {
                boolean sure = afterCrash ? change.durable : change.completed;
                if (sure && !change.discard) {
                    candidateCount = 0;
                }
                add(change.stamp);
            }
        }
        return candidateCount;
    }

    private void add(int stamp) {
        if (candidateCount == candidates.length) {
            candidates = Arrays.copyOf(candidates, 2 * candidateCount);
        }
        candidates[candidateCount++] = stamp;
    }

    /** One of the stamps that {@link #candidates} found. */
    int candidate(int index) {
        return candidates[index];
    }

    /** For messages: the stamps that {@link #candidates} found. */
    String describeCandidates() {
        return Arrays.toString(Arrays.copyOf(candidates, candidateCount));
    }
}
