// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;

/**
 * One image, open: where each byte of the disk is inside the volume, and how more room is made.
 *
 * <p>A layer moves no data of the disk. It only answers where data is or may be put, and keeps its
 * own metadata; the engine does the transfers.
 *
 * <p><b>Threads:</b> the lane's only, from {@link #bind} on, except {@link #resize} and {@link
 * #seal}.
 *
 * <p><b>Durability:</b> a byte that was written at the place given by {@link #prepare}, and
 * reported with {@link #written}, is durable and found again after the next successful {@link
 * #commit}.
 */
public interface ImageLayer {
    /** What the image said of itself when it was opened or read again. Any thread. */
    ImageInfo info();

    /** The size of the disk in bytes. */
    long sizeBytes();

    /** Whether nothing was ever written to it, so that it shows only what is below. */
    boolean isEmpty();

    /** Gives the layer its lane. Called once, before everything else. */
    void bind(LayerHost host);

    /**
     * Tells where a range begins and how far the same answer holds: DATA, or ABSENT for what was
     * not written to this layer or lies behind its end. After WAIT the request's waiter is told
     * when it is worth asking again.
     */
    void lookup(BlockRequest request, long offset, long length, Mapping answer);

    /**
     * As {@link #lookup} for bytes that are known to be in this layer, so that less has to be read
     * to tell where.
     */
    void locate(BlockRequest request, long offset, long length, Mapping answer);

    /** Whether every byte of the range is known to be in this layer, without reading anything. */
    boolean covers(long offset, long length);

    /** The image is going to be written: room is made for that, where it is made ahead of need. */
    default void expectWrites() {}

    /**
     * Tells where a range may be written, making room first if there is none. After DATA the caller
     * calls {@link #written} or {@link #abandoned} exactly once for the same range, with the pin of
     * the answer.
     */
    void prepare(BlockRequest request, long offset, long length, Mapping answer);

    /** The range given by {@link #prepare} was written. */
    void written(long offset, long length, Object pin);

    /** The range given by {@link #prepare} was not, or perhaps only partly, written. */
    void abandoned(Object pin);

    /**
     * Gives up what begins at the given offset, if it is a unit that this layer can give up whole
     * and now: it reads as zero afterwards. Only for a layer with nothing below it.
     *
     * @return how many bytes were given up, 0 when none
     */
    long free(long offset, long length);

    /**
     * Takes note of room that was given up and whose giving up is durable. True when there is some:
     * then {@link #reuseFreed} is called once the requests that are in flight now have ended.
     */
    boolean retireFreed();

    /** The room of the earliest {@link #retireFreed} that was not answered yet may be used anew. */
    void reuseFreed();

    /**
     * Whether a completed write to the range needs a commit to be found again. When it does not, a
     * write that is durable on the device is durable on the disk.
     */
    boolean needsCommit(long offset, long length);

    /**
     * Whether something that is written to the range now could be seen after a crash although no
     * commit began after it was written. When it could not, a commit asks the {@link
     * LayerHost#guard} first.
     */
    default boolean showsAtOnce(long offset, long length) {
        return true;
    }

    /** Makes everything durable that was written before the call. */
    void commit(CommitListener listener);

    /**
     * The device failed to make something durable outside a commit. It may have lost writes that
     * completed before, and will not say so again, so every commit fails from now on.
     */
    void failed(IoStatus status);

    /** Whether there is metadata that a commit would write. */
    boolean isDirty();

    /**
     * Makes the disk larger. Blocks; called from a control thread while no request is in flight and
     * after a commit. Durable and atomic: after a crash the disk has the old or the new size.
     *
     * @throws dev.varve.vdi.StorageException VDI_RESIZE when the image cannot become so large
     */
    void resize(BlockAccess access, long newSizeBytes);

    /**
     * Leaves the image in order: afterwards other programs can read it. Blocks; called from a
     * control thread after the last request and the last commit are done. After a failed commit it
     * leaves the image as it is, to be checked when it is opened again.
     *
     * @param hidden whether the image is an inner node from now on
     */
    void seal(BlockAccess access, boolean hidden);

    /**
     * Reads again what the image says of itself, after its {@link ImageRole} was changed. The layer
     * takes it for unclean until it is sealed. Blocks; called from a control thread, also while the
     * lane uses the layer.
     */
    void reread(BlockAccess access);

    /** Lets go of metadata in memory. No request uses the layer any more. */
    void release();
}
