// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.Operation;
import dev.varve.vdi.engine.ImageMerge;

import java.util.Optional;

/**
 * A merge that copies its data by itself.
 *
 * <p><b>Threads:</b> any.
 */
public interface RunningMerge {
    /** What is being merged, as it was when that began. */
    Merge merge();

    /** Which way data goes in fact. */
    ImageMerge.Direction direction();

    /** How much was copied, in bytes. */
    long copiedBytes();

    /** Whether nothing more is to be copied, so that {@link #finish} does not wait for that. */
    boolean isDone();

    /**
     * Waits until all data is copied, so that {@link #finish} does not take long.
     *
     * @return false when another operation needed one of the images and cancelled the merge
     * @throws dev.varve.vdi.StorageException as {@link #finish}; the merge has been given up
     */
    boolean await(Operation operation);

    /**
     * Waits until all data is copied and commits.
     *
     * @return nothing when another operation needed one of the images and cancelled the merge
     * @throws dev.varve.vdi.StorageException when it failed or the operation was cancelled; both
     *     images are what they were
     */
    Optional<Merged> finish(Operation operation);

    /** Gives the merge up, if it is not committed yet; both images are what they were. Blocks. */
    void cancel();
}
