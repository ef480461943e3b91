// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.store;

import dev.varve.vdi.block.BlockDevice;

import java.util.concurrent.CompletionStage;

/**
 * An open volume.
 *
 * <p><b>Threads:</b> any; the device keeps to its own rule.
 */
public interface StoreVolume extends AutoCloseable {
    /** Which volume it is. */
    VolumeId id();

    /** Its bytes. Closed with the volume. */
    BlockDevice device();

    /**
     * Makes the volume at least so large. New space reads as zero. When the stage completes, the
     * geometry of {@link #device()} shows the new size; it fails with a {@link
     * dev.varve.vdi.StorageException} when there is no room.
     *
     * @return the new size in bytes, possibly more than was asked for
     */
    CompletionStage<Long> grow(long sizeBytes);

    /**
     * How much room there should be behind what is in use of a volume that is being written, in
     * bytes: who writes asks for more when there is less, while it still has some to go on with. 0
     * where growing takes no time.
     */
    default long growAheadBytes() {
        return 0;
    }

    /** Cuts the volume off at the given size, where the store can. Blocks the caller. */
    void shrink(long sizeBytes);

    /**
     * How large the volume would be after {@link #shrink}, in bytes: more than it was told where
     * the store gives and takes room in steps, and what it is now where it does not shrink.
     */
    default long sizeAfterShrink(long sizeBytes) {
        return Math.min(sizeBytes, device().geometry().sizeBytes());
    }

    @Override
    void close();
}
