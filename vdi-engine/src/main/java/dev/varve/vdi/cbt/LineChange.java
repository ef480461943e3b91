// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.cbt;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.VolumeStore;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

/**
 * A change of logs that happens with a commit of the store: what is written before that is put back
 * when it does not come to it. Closed when all is over, one way or the other.
 */
abstract class LineChange implements AutoCloseable {
    private final Deque<Runnable> undo = new ArrayDeque<>();
    private final VolumeStore store;
    private final Runnable over;
    private boolean finished;

    /**
     * @param over run when it is closed
     */
    LineChange(VolumeStore store, Runnable over) {
        this.store = store;
        this.over = over;
    }

    /** Has something done when the change does not happen, before what was given earlier. */
    final void onFailure(Runnable action) {
        undo.push(action);
    }

    /** The change has happened. */
    final void happened() {
        finished = true;
    }

    /** Whether the change has happened although what followed failed. */
    abstract boolean hasHappened();

    final void closeAfter(Throwable failure) {
        try {
            close();
        } catch (StorageException e) {
            failure.addSuppressed(e);
        }
    }

    /** Puts back what was prepared, if the change has not happened. */
    @Override
    public final void close() {
        try {
            if (!finished && !undo.isEmpty()) {
                store.commit(List.of()); // a commit that failed may have happened: it is finished
            }
            if (!finished && !hasHappened()) {
                undoAll();
            }
        } finally {
            over.run();
        }
    }

    private void undoAll() {
        StorageException failure = null;
        while (!undo.isEmpty()) {
            try {
                undo.pop().run();
            } catch (StorageException e) {
                failure = failure == null ? e : failure;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }
}
