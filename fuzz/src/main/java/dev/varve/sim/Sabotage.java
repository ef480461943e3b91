// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.image.ImageLayer;

import java.util.List;

/** Plants a defect, to see whether the simulation finds it. */
public interface Sabotage {
    /** No defect. */
    Sabotage NONE = new Sabotage() {};

    /** New filters for the place right in front of the medium. */
    default List<BlockFilter> aboveMedium() {
        return List.of();
    }

    /** New filters for the place in front of the disk. */
    default List<BlockFilter> aboveDisk() {
        return List.of();
    }

    /** The layer to use in place of the one given. */
    default ImageLayer wrap(ImageLayer layer) {
        return layer;
    }
}
