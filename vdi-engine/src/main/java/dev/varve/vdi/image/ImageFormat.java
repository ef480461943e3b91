// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import dev.varve.vdi.Operation;

import java.util.List;

/**
 * A format of disk images. Without state.
 *
 * <p>Failures are thrown as {@link dev.varve.vdi.StorageException}; an image that cannot be used
 * gives VDI_LOAD with what is wrong, where, and what can be done.
 *
 * <p><b>Threads:</b> control threads; calls block.
 */
public interface ImageFormat {
    /** Its name. */
    String name();

    /** The size that a new disk really gets: the given one rounded up to what the format can do. */
    long roundUp(long sizeBytes);

    /** The smallest disk, in bytes. */
    long minimumBytes();

    /** The largest disk, in bytes. */
    long maximumBytes();

    /**
     * How large a volume has to be, in bytes, for an image of a disk of the given size in which
     * everything is written.
     */
    long fullBytes(long sizeBytes);

    /**
     * How large a volume is, in bytes, that {@link #create} has cut to what an empty image needs.
     */
    long emptyBytes(ImageSpec spec);

    /** Whether the volume holds an image of this format, as far as its first bytes tell. */
    boolean probe(BlockAccess access);

    /** Reads what the image says of itself, checking what a scan can check at low cost. */
    ImageInfo inspect(BlockAccess access);

    /** Whether an image can rest on another one, so that there are snapshots. */
    boolean hasParents();

    /**
     * Writes an empty image into a volume that reads as zero, and cuts the volume to what it needs,
     * where its store does that. Durable when it returns.
     */
    void create(BlockAccess access, ImageSpec spec, Operation operation);

    /** Whether nothing was ever written to an image, so that it shows only what is below. */
    boolean isEmpty(BlockAccess access);

    /**
     * What has to be written so that an image has another role, which its {@link ImageLayer} is
     * then told with {@link ImageLayer#reread}. Nothing is written here. After the patches are
     * written the image may be unclean; opening it for writing and sealing it puts it in order.
     *
     * @throws dev.varve.vdi.StorageException VDI_SNAPSHOT when the image cannot have that role
     */
    List<ImagePatch> patches(BlockAccess access, ImageRole role);

    /** Reads and checks the metadata. The layer still has to be bound to a lane. */
    ImageLayer open(BlockAccess access, boolean writable);
}
