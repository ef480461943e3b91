// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeStore;

import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletionStage;

/**
 * How much room the images of a store have.
 *
 * <p>A <i>thin</i> image has room for what was written to it. A <i>thick</i> one that is going to
 * be written gets all the room that it may ever need when it is made, and nothing of it is cut off:
 * nobody ever waits for room. All images of a store are thick that has {@link StoreFeature#THICK};
 * elsewhere those are whose attributes say so, unless the store takes room only when something is
 * written anyway. Base copies have other attributes than the disk that they were the leaf of, and
 * are cut off as thin ones when they are put in order.
 *
 * <p><b>Threads:</b> any.
 */
final class Allocation {
    /** The attribute, and its value for a thick image. */
    static final String ATTRIBUTE = "allocation";

    static final String THICK = "thick";

    /** No volume consists of larger blocks. */
    private static final long BLOCK_BYTES = 4096;

    private final VolumeStore store;

    Allocation(VolumeStore store) {
        this.store = store;
    }

    /** Whether an image with these attributes is thick. */
    boolean isThick(Map<String, String> attributes) {
        Set<StoreFeature> features = store.features();
        return features.contains(StoreFeature.THICK)
                || (!features.contains(StoreFeature.SPARSE)
                        && THICK.equals(attributes.get(ATTRIBUTE)));
    }

    /** Whether the image is thick that has this name now. */
    boolean isThick(VolumeId id) {
        return isThick(store.find(id).map(VolumeInfo::attributes).orElse(Map.of()));
    }

    /** Opens an image of which nothing is cut off as long as it is thick. */
    StoreVolume open(VolumeId id, boolean writable) {
        StoreVolume volume = store.open(id, writable);
        boolean keeps = writable && !store.features().contains(StoreFeature.SPARSE);
        return keeps ? new KeptVolume(volume) : volume;
    }

    /**
     * How large the volume of a new image is made, in bytes, so that it has room for the image from
     * the start: a store that gives room in a commit of its own then needs one less.
     *
     * @param isWritten whether the image is going to be written
     */
    long firstBytes(
            ImageFormat format, ImageSpec spec, Map<String, String> attributes, boolean isWritten) {
        long empty = format.emptyBytes(spec);
        long bytes =
                isWritten && isThick(attributes)
                        ? Math.max(empty, format.fullBytes(spec.sizeBytes()))
                        : empty;
        return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    }

    /**
     * Takes all the room at once that a thick image needs, before it is made.
     *
     * @throws dev.varve.vdi.StorageException SR_NO_SPACE when there is not so much
     */
    void makeRoom(BlockAccess access, VolumeId id, ImageFormat format, long sizeBytes) {
        if (isThick(id)) {
            access.grow(format.fullBytes(sizeBytes));
        }
    }

    /** A volume that is not cut off while what it holds is thick, whatever it is called by then. */
    private final class KeptVolume implements StoreVolume {
        private final StoreVolume volume;

        KeptVolume(StoreVolume volume) {
            this.volume = volume;
        }

        @Override
        public VolumeId id() {
            return volume.id();
        }

        @Override
        public BlockDevice device() {
            return volume.device();
        }

        @Override
        public CompletionStage<Long> grow(long sizeBytes) {
            return volume.grow(sizeBytes);
        }

        @Override
        public long growAheadBytes() {
            return volume.growAheadBytes();
        }

        @Override
        public void shrink(long sizeBytes) {
            if (!isThick(id())) {
                volume.shrink(sizeBytes);
            }
        }

        @Override
        public long sizeAfterShrink(long sizeBytes) {
            return isThick(id())
                    ? device().geometry().sizeBytes()
                    : volume.sizeAfterShrink(sizeBytes);
        }

        @Override
        public void close() {
            volume.close();
        }
    }
}
