// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.engine.ParentSource;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeStore;

import java.util.Optional;
import java.util.function.Function;

/** The images of one store as those that others rest on. */
final class StoreParents implements ParentSource {
    private final VolumeStore store;
    private final Allocation allocation;
    private final Function<VolumeId, ImageFormat> formats;

    StoreParents(VolumeStore store, Function<VolumeId, ImageFormat> formats) {
        this.store = store;
        this.allocation = new Allocation(store);
        this.formats = formats;
    }

    /** How much room the images have. */
    Allocation allocation() {
        return allocation;
    }

    /** The volume that a link names, if it is there. */
    Optional<VolumeId> lookUp(ParentLink link) {
        return link.names().stream()
                .flatMap(name -> store.named(name).stream())
                .filter(id -> store.find(id).isPresent())
                .findFirst();
    }

    @Override
    public VolumeId find(ParentLink link) {
        return lookUp(link).orElseThrow(() -> ErrorCode.VDI_LOAD.because(missing(link)));
    }

    /** Says that nothing of the names that a link has is there. */
    static String missing(ParentLink link) {
        return "the image that it rests on, "
                + link.names().getFirst()
                + (link.isRaw() ? "" : " with the UUID " + link.imageUuid())
                + ", is not in this repository";
    }

    @Override
    public StoreVolume open(VolumeId id, boolean writable) {
        return allocation.open(id, writable);
    }

    @Override
    public ImageFormat format(VolumeId id) {
        return formats.apply(id);
    }

    @Override
    public boolean isHidden(VolumeId id) {
        return store.find(id).map(VolumeInfo::hidden).orElse(false);
    }
}
