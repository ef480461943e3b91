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
     * @throws StorageException when nothing has changed, or that cannot be told
     */
    static void commitOrLearn(
            VolumeStore store, List<VolumeChange> changes, BooleanSupplier happened) {
        commitOrLearn(store, changes, happened, () -> {});
    }

    /**
     * Commits changes.
     *
     * @param unknown told when the store does not say either whether it has happened: when it is
     *     back it will have one or the other
     */
    static void commitOrLearn(
            VolumeStore store,
            List<VolumeChange> changes,
            BooleanSupplier happened,
            Runnable unknown) {
        try {
            store.commit(changes);
        } catch (StorageException e) {
            if (!hasHappened(store, happened, unknown, e)) {
                throw e;
            }
        }
    }

    private static boolean hasHappened(
            VolumeStore store,
            BooleanSupplier happened,
            Runnable unknown,
            StorageException failure) {
        try {
            store.commit(List.of()); // finishes what is unfinished
            return happened.getAsBoolean();
        } catch (StorageException e) {
            failure.addSuppressed(e);
            unknown.run();
            return false;
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
