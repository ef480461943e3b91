// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeStore;

import java.util.function.Supplier;

/** Plants a defect in a host with trees of disks, to see whether the simulation finds it. */
interface TreeSabotage {
    /** No defect. */
    TreeSabotage NONE = new TreeSabotage() {};

    /** A host is switched on. */
    default void powerOn(SimMachine machine) {}

    /** What to use in place of the medium of a volume. */
    default BlockDevice front(BlockDevice medium) {
        return medium;
    }

    /**
     * The layer to use in place of the one given.
     *
     * @param name what the volume is called now
     */
    default ImageLayer wrap(ImageLayer layer, Supplier<VolumeId> name) {
        return layer;
    }

    /**
     * The same.
     *
     * @param opened what the image was opened with
     */
    default ImageLayer wrap(ImageLayer layer, BlockAccess opened, Supplier<VolumeId> name) {
        return wrap(layer, name);
    }

    /** How long after a commit of the store it is durable, in nanoseconds. */
    default long commitsLateNanos() {
        return 0;
    }

    /** The store to use in place of the one given. */
    default VolumeStore wrap(VolumeStore store) {
        return store;
    }
}
