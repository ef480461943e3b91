// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import java.util.List;

/**
 * How it stands with the chains of a repository.
 *
 * @param maintained whether this daemon may change them; another one does, if not
 * @param merges how many merges were done since the repository was attached
 * @param mergedBytes how much they have copied
 * @param failures how many have failed
 * @param garbage how many images were removed because nobody needed them
 * @param longestChain of how many images the longest chain consists
 * @param lastError why a merge has failed that is to be tried again; empty when there is none
 */
public record ChainStatus(
        boolean maintained,
        List<Running> running,
        long merges,
        long mergedBytes,
        long failures,
        long garbage,
        int longestChain,
        String lastError) {
    /**
     * A merge that runs.
     *
     * @param label what its task is called
     * @param progress from 0 to 1
     * @param copiedBytes how much it has copied
     * @param etaSeconds how long it will take still, or -1 when that cannot be told
     */
    public record Running(String label, double progress, long copiedBytes, long etaSeconds) {}

    /** Other programs do not open a chain of more images than that. */
    static final int LONG = 30;

    /** Whether other programs do not open the longest chain. */
    public boolean isLong() {
        return longestChain > LONG;
    }

    /** Copies the list. */
    public ChainStatus {
        running = List.copyOf(running);
    }
}
