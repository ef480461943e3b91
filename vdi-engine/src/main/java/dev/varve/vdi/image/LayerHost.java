// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.block.IoStatus;

/**
 * What a layer may ask of the lane that runs it.
 *
 * <p><b>Threads:</b> the lane's only.
 */
public interface LayerHost {
    /** Told how an attempt to get more room ended. */
    @FunctionalInterface
    interface GrowListener {
        /**
         * @param status OK when the device has the new size
         */
        void grown(IoStatus status);
    }

    /** The lane. */
    IoContext context();

    /** The volume that holds the image. */
    BlockDevice device();

    /** Where the layer keeps metadata that it can read again. */
    MetadataCache metadata();

    /** Makes the volume at least so large, without blocking; new space reads as zero. */
    void grow(long sizeBytes, GrowListener listener);

    /** As {@link dev.varve.vdi.store.StoreVolume#growAheadBytes}. */
    default long growAheadBytes() {
        return 0;
    }

    /** What has to be durable before metadata of the image is written, or null when nothing has. */
    default CommitGuard guard() {
        return null;
    }
}
