// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.raw;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.FlatLayer;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.ImagePatch;
import dev.varve.vdi.image.ImageRole;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.image.ParentLink;

import java.util.List;
import java.util.Optional;

/** The plain content of a disk. */
public final class RawFormat implements ImageFormat {
    /** The size is a multiple of this, in bytes. */
    public static final long UNIT_BYTES = 4096;

    private static final long MAXIMUM_BYTES = 1L << 50;

    /** The format. */
    public RawFormat() {}

    @Override
    public String name() {
        return "raw";
    }

    @Override
    public long roundUp(long sizeBytes) {
        return (sizeBytes + UNIT_BYTES - 1) / UNIT_BYTES * UNIT_BYTES;
    }

    @Override
    public long minimumBytes() {
        return UNIT_BYTES;
    }

    @Override
    public long maximumBytes() {
        return MAXIMUM_BYTES;
    }

    @Override
    public long fullBytes(long sizeBytes) {
        return roundUp(sizeBytes);
    }

    @Override
    public long emptyBytes(ImageSpec spec) {
        return spec.sizeBytes();
    }

    /** Any volume can be the plain content of a disk. */
    @Override
    public boolean probe(BlockAccess access) {
        return true;
    }

    @Override
    public ImageInfo inspect(BlockAccess access) {
        long size = access.sizeBytes();
        if (size == 0) {
            throw ErrorCode.VDI_LOAD.because(
                    "the raw image is empty; a disk has at least one sector");
        }
        return new ImageInfo(name(), size, 0, Optional.empty(), Optional.empty(), false, true);
    }

    @Override
    public boolean hasParents() {
        return false;
    }

    @Override
    public void create(BlockAccess access, ImageSpec spec, Operation operation) {
        access.grow(spec.sizeBytes());
        access.shrink(spec.sizeBytes());
        access.flush();
    }

    @Override
    public boolean isEmpty(BlockAccess access) {
        return false;
    }

    /** There is no place for a role in plain content; the store keeps its mark. */
    @Override
    public List<ImagePatch> patches(BlockAccess access, ImageRole role) {
        if (role.parent().isPresent() || !role.uuid().equals(ParentLink.RAW)) {
            throw ErrorCode.VDI_SNAPSHOT.because(
                    "a raw image has neither a parent nor a UUID of its own");
        }
        return List.of();
    }

    @Override
    public ImageLayer open(BlockAccess access, boolean writable) {
        return new FlatLayer(inspect(access), null);
    }
}
