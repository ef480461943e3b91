// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * What a disk may hold: for each sector the set of stamps that a read may find.
 *
 * <p>Changes of the same sector are never in flight together, so they have an order. While the
 * power is on, a sector holds what its last completed change left, or what one that is in flight
 * brings. After a crash it holds what its last durable change left, or what any later one brought.
 * A discard may or may not make zeros and so adds a possibility without taking one away; so does a
 * change that failed.
 *
 * <p>A disk that is made from another one at some instant of an operation, which nobody knows, is a
 * {@link #branch()}: it holds what was written to the other one up to that instant. Once the
 * operation was confirmed, one instant has to explain all of its sectors: either it has all changes
 * that were begun before, or exactly those that had ended when the operation began.
 */
final class ModelDisk {
    /** Whether what was found is what a stamp stands for. */
    @FunctionalInterface
    interface Match {
        /** Tells so of one stamp. */
        boolean matches(int stamp);
    }

    /** A change, from its submission on. */
    static final class Change {
        final int first;
        final int end;
        final int stamp;
        boolean unsure;
        boolean completed;
        boolean durable;
        private final long begunAt;
        private long completedAt = Long.MAX_VALUE;

        /** For a change that is in a branch: the one of the disk that was branched. */
        private final Change origin;

        private Change(int first, int end, int stamp, boolean unsure, long begunAt) {
            this.first = first;
            this.end = end;
            this.stamp = stamp;
            this.unsure = unsure;
            this.begunAt = begunAt;
            this.origin = this;
        }

        private Change(Change origin) {
            this.first = origin.first;
            this.end = origin.end;
            this.stamp = origin.stamp;
            this.unsure = origin.unsure;
            this.completed = origin.completed;
            this.durable = origin.durable;
            this.begunAt = origin.begunAt;
            this.completedAt = origin.completedAt;
            this.origin = origin;
        }

        private boolean touches(int sector) {
            return first <= sector && sector < end;
        }

        /** Whether it leaves nothing of what was there before. */
        private boolean isSure() {
            return !unsure && !origin.unsure;
        }
    }

    private final List<Change> changes = new ArrayList<>();
    private final List<ModelDisk> branches = new ArrayList<>();
    private final ModelTime time;
    private int[] settled;
    private int[] candidates = new int[16];
    private int candidateCount;

    /** For a branch that was confirmed and not looked at: after how many changes it was made. */
    private BitSet instants;

    private int earliestInstant;
    private boolean asAtStart = true;
    private boolean open;

    /** A disk of zeros. */
    ModelDisk(long sizeBytes) {
        this(new int[(int) (sizeBytes / Patterns.SECTOR)], new ModelTime());
    }

    /** A disk of zeros among others. */
    ModelDisk(long sizeBytes, ModelTime time) {
        this(new int[(int) (sizeBytes / Patterns.SECTOR)], time);
    }

    private ModelDisk(int[] settled, ModelTime time) {
        this.settled = settled;
        this.time = time;
    }

    long sizeBytes() {
        return (long) settled.length * Patterns.SECTOR;
    }

    /** The disk has become larger; the new sectors are zero. */
    void resize(long sizeBytes) {
        settled = Arrays.copyOf(settled, (int) (sizeBytes / Patterns.SECTOR));
    }

    // ---- changes

    /** A change is submitted. */
    Change begin(long offset, long length, int stamp, boolean discard) {
        int first = (int) (offset / Patterns.SECTOR);
        int end = (int) ((offset + length) / Patterns.SECTOR);
        Change change = new Change(first, end, stamp, discard, time.next());
        changes.add(change);
        branches.forEach(branch -> branch.changes.add(new Change(change)));
        return change;
    }

    /** A change has completed. */
    void complete(Change change, boolean durable) {
        change.completed = true;
        change.completedAt = time.next();
        change.durable = durable;
        settle();
    }

    /** A change has ended with a failure: each of its sectors may be changed or not. */
    void fail(Change change) {
        change.unsure = true;
        complete(change, false);
    }

    /** A flush is submitted; gives what {@link #flushed} wants to know. */
    long mark() {
        return time.now();
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
            if (!change.durable || change.unsure) {
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
        open = false;
        changes.clear();
    }

    // ---- branches

    /**
     * A disk that is being made from this one: it has what was completed before, and from what was
     * not, or begins from now on until {@link #endBranch}, as much as was there at one instant.
     */
    ModelDisk branch() {
        ModelDisk branch = new ModelDisk(settled.clone(), time);
        for (Change change : changes) {
            branch.changes.add(new Change(change));
            if (change.completed) {
                branch.earliestInstant = branch.changes.size();
            }
        }
        branches.add(branch);
        return branch;
    }

    /**
     * The branch is made, or never will be.
     *
     * @param confirmed whether it is certain that one instant explains what it holds, whatever
     *     happens from now on
     */
    void endBranch(ModelDisk branch, boolean confirmed) {
        branches.remove(branch);
        if (confirmed) {
            branch.open = true;
            branch.instants = new BitSet();
            branch.instants.set(branch.earliestInstant, branch.changes.size() + 1);
        }
    }

    /** Whether it is a confirmed branch of which it is not known yet what it holds. */
    boolean isOpen() {
        return open;
    }

    /** The instants that explain what was found in a confirmed branch. */
    BitSet instants() {
        return instants;
    }

    /** What {@link #instants} counts; to be asked for before all is decided. */
    List<Change> changes() {
        return List.copyOf(changes);
    }

    /**
     * Takes note of what a sector of a confirmed branch holds; false when no instant explains that
     * together with what was found before.
     */
    boolean narrow(int sector, List<Change> touching, Match match) {
        BitSet possible = new BitSet();
        boolean matches = match.matches(settled[sector]);
        int from = earliestInstant;
        for (Change change : touching) {
            if (change.touches(sector)) {
                int index = changes.indexOf(change);
                if (matches) {
                    possible.set(Math.min(from, index + 1), index + 1);
                }
                from = Math.max(from, index + 1);
                matches = match.matches(change.stamp) || (matches && !change.isSure());
            }
        }
        if (matches) {
            possible.set(from, changes.size() + 1);
        }
        instants.and(possible);
        asAtStart &= matchesStart(sector, touching, match);
        return asAtStart || !instants.isEmpty();
    }

    private boolean matchesStart(int sector, List<Change> touching, Match match) {
        boolean matches = match.matches(settled[sector]);
        for (Change change : touching) {
            if (change.touches(sector) && change.completed) {
                matches = match.matches(change.stamp) || (matches && !change.isSure());
            }
        }
        return matches;
    }

    /**
     * Whether two branches that were made at the same instant of two disks can be: nothing of one
     * was begun when something was over that the other lacks.
     */
    static boolean canBeOfOneInstant(
            List<Change> ofFirst, BitSet first, List<Change> ofSecond, BitSet second) {
        return first.stream()
                .anyMatch(
                        i ->
                                second.stream()
                                        .anyMatch(
                                                j ->
                                                        lastBegun(ofFirst, i)
                                                                        < firstLacking(ofSecond, j)
                                                                && lastBegun(ofSecond, j)
                                                                        < firstLacking(
                                                                                ofFirst, i)));
    }

    private static long lastBegun(List<Change> changes, int instant) {
        return instant == 0 ? 0 : changes.get(instant - 1).begunAt;
    }

    private static long firstLacking(List<Change> changes, int instant) {
        return changes.subList(instant, changes.size()).stream()
                .mapToLong(change -> change.origin.completedAt)
                .min()
                .orElse(Long.MAX_VALUE);
    }

    // ---- what a sector may hold

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
            if (change.touches(sector)) {
                boolean sure = afterCrash ? change.durable : change.completed;
                if (sure && change.isSure()) {
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
