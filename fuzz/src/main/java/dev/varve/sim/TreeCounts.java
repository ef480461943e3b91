// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

/** What happened in simulations of trees, counted. */
public final class TreeCounts {
    int seeds;
    int requests;
    int powerLosses;
    int lossesInCommit;
    int lossesInRecover;
    int restarts;
    int snapshots;
    int clones;
    int reverts;
    int copies;
    int mergesBegun;
    int merges;
    int mergesCancelled;
    int failures;
    int disksCompared;
    int treesChecked;
    long sectorsCompared;

    /** Nothing has happened. */
    public TreeCounts() {}

    /** Adds those of others. */
    public void add(TreeCounts other) {
        seeds += other.seeds;
        requests += other.requests;
        powerLosses += other.powerLosses;
        lossesInCommit += other.lossesInCommit;
        lossesInRecover += other.lossesInRecover;
        restarts += other.restarts;
        snapshots += other.snapshots;
        clones += other.clones;
        reverts += other.reverts;
        copies += other.copies;
        mergesBegun += other.mergesBegun;
        merges += other.merges;
        mergesCancelled += other.mergesCancelled;
        failures += other.failures;
        disksCompared += other.disksCompared;
        treesChecked += other.treesChecked;
        sectorsCompared += other.sectorsCompared;
    }

    @Override
    public String toString() {
        return "%d seeds, %s, %s, %s"
                .formatted(seeds, describeTrouble(), describeWork(), describeChecks());
    }

    private String describeTrouble() {
        return ("%d losses of power (%d inside a commit, %d inside recover), %d restarts of a"
                        + " server, %d operations made fail")
                .formatted(powerLosses, lossesInCommit, lossesInRecover, restarts, failures);
    }

    private String describeWork() {
        return ("%d requests, %d snapshots, %d clones, %d reverts, %d copies, %d of %d merges ended"
                        + " (%d given up)")
                .formatted(
                        requests,
                        snapshots,
                        clones,
                        reverts,
                        copies,
                        merges,
                        mergesBegun,
                        mergesCancelled);
    }

    private String describeChecks() {
        return "%d disks compared in %d sectors, %d trees checked"
                .formatted(disksCompared, sectorsCompared, treesChecked);
    }
}
