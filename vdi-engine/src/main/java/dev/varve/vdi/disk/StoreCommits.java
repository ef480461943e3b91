// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeStore;

import java.util.List;
import java.util.function.BooleanSupplier;

/** What a commit of a store has come to that failed. */
final class StoreCommits {
    private StoreCommits() {}

    /**
     * Commits changes. A commit can fail after it has happened, when the storage went away before
     * everything was in place or before it could say so; then this returns as well.
     *
     * @param happened asked after a failure, whether the changes are there
     * @throws StorageException when nothing has changed
     */
    static void commitOrLearn(
            VolumeStore store, List<VolumeChange> changes, BooleanSupplier happened) {
        try {
            store.commit(changes);
        } catch (StorageException e) {
            boolean[] there = new boolean[1];
            attempt(
                    e,
                    () -> {
                        store.commit(List.of()); // finishes what is unfinished
                        there[0] = happened.getAsBoolean();
                    });
            if (!there[0]) {
                throw e;
            }
        }
    }

    /** Does something after a failure; what fails of it goes along with the failure. */
    static void attempt(StorageException failure, Runnable work) {
        try {
            work.run();
        } catch (StorageException e) {
            failure.addSuppressed(e);
        }
    }
}
