// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;

/**
 * Where the images are that others rest on.
 *
 * <p><b>Threads:</b> any; calls block.
 */
public interface ParentSource {
    /** For images that rest on nothing. */
    ParentSource NONE =
            new ParentSource() {
                @Override
                public VolumeId find(ParentLink link) {
                    throw ErrorCode.VDI_LOAD.because(
                            "the image rests on "
                                    + link.names().getFirst()
                                    + ", and there is no place to look for that");
                }

                @Override
                public StoreVolume open(VolumeId id, boolean writable) {
                    throw new IllegalStateException("nothing was found here");
                }

                @Override
                public ImageFormat format(VolumeId id) {
                    throw new IllegalStateException("nothing was found here");
                }

                @Override
                public boolean isHidden(VolumeId id) {
                    throw new IllegalStateException("nothing was found here");
                }
            };

    /**
     * The volume that an image names.
     *
     * @throws dev.varve.vdi.StorageException VDI_LOAD when there is none
     */
    VolumeId find(ParentLink link);

    /** Opens a volume. */
    StoreVolume open(VolumeId id, boolean writable);

    /** The format of a volume. */
    ImageFormat format(VolumeId id);

    /** Whether the store marks the volume as an inner node. */
    boolean isHidden(VolumeId id);
}
