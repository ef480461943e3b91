// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.Invariant;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.ImageMerge.Direction;
import dev.varve.vdi.image.CommitListener;

import java.util.Arrays;

/**
 * The part of a merge that stands between the writes of a disk and its leaf, while the leaf is
 * merged with the image below it.
 *
 * <p>The leaf is the truth until the merge is committed. A write that begins behind what is copied
 * goes to the leaf alone: it will be copied. A write to what is copied already goes to both images
 * when the data goes down, and completes when both have it. A write to a piece that is being copied
 * waits for the piece, and a piece begins only when the writes to it are over that began before: so
 * a copy never takes the place of something newer. Data that goes up needs only the last rule,
 * since it fills what the leaf lacks.
 *
 * <p><b>Durability:</b> a flush covers both images. As long as the merge is not being committed,
 * trouble with the lower one ends the merge and not the flush.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class LiveMerge implements LayerCopy.Fence {
    private final Direction direction;
    private final ImageDevice parent;
    private final long[] pieceFrom = new long[LayerCopy.PIECES];
    private final long[] pieceTo = new long[LayerCopy.PIECES];
    private final Runnable[] pieceReady = new Runnable[LayerCopy.PIECES];
    private long[] writeFrom = new long[64];
    private long[] writeTo = new long[64];
    private int writes;
    private BlockRequest parkedFirst;
    private LayerCopy copy;
    private boolean committing;

    /**
     * @param parent a view of the lower image
     */
    LiveMerge(Direction direction, ImageDevice parent) {
        this.direction = direction;
        this.parent = parent;
    }

    void copy(LayerCopy newCopy) {
        copy = newCopy;
    }

    // ---- for writes

    /**
     * Whether a write may begin now; if not, it is resumed later.
     *
     * @param length no further than to the next multiple of {@link LayerCopy#UNIT_BYTES}
     */
    boolean admits(BlockRequest request, long offset, long length) {
        for (int i = 0; i < LayerCopy.PIECES; i++) {
            if (offset < pieceTo[i] && offset + length > pieceFrom[i]) {
                request.next = parkedFirst;
                parkedFirst = request;
                return false;
            }
        }
        return true;
    }

    /** Whether a discard has to be left out: it might show in one of the images and not in both. */
    boolean ignores(BlockOp op) {
        return op == BlockOp.DISCARD && direction == Direction.DOWN;
    }

    /** A part of a write begins that was admitted. */
    void begins(long offset, long length) {
        if (writes == writeFrom.length) {
            writeFrom = Arrays.copyOf(writeFrom, 2 * writes);
            writeTo = Arrays.copyOf(writeTo, 2 * writes);
        }
        writeFrom[writes] = offset;
        writeTo[writes] = offset + length;
        writes++;
    }

    /** Whether the part has to go to the lower image, too. */
    boolean mirrors(long offset) {
        return direction == Direction.DOWN && offset < copy.position();
    }

    /** Where a part for the lower image is submitted. */
    ImageDevice parent() {
        return parent;
    }

    /** A part of a write is over. */
    void ends(long offset, long length) {
        int found = 0;
        while (found < writes
                && (writeFrom[found] != offset || writeTo[found] != offset + length)) {
            found++;
        }
        Invariant.check(found < writes, "a write that ends has begun");
        writes--;
        writeFrom[found] = writeFrom[writes];
        writeTo[found] = writeTo[writes];
        for (int i = 0; i < LayerCopy.PIECES; i++) {
            if (pieceReady[i] != null && !isWritten(pieceFrom[i], pieceTo[i])) {
                Runnable ready = pieceReady[i];
                pieceReady[i] = null;
                ready.run();
            }
        }
    }

    private boolean isWritten(long from, long to) {
        for (int i = 0; i < writes; i++) {
            if (writeFrom[i] < to && writeTo[i] > from) {
                return true;
            }
        }
        return false;
    }

    /**
     * A part for the lower image failed. True when that counts for the write: the merge is being
     * committed, and perhaps the lower image is the truth already.
     */
    boolean parentFailed(IoStatus status) {
        copy.fail(status);
        return committing;
    }

    // ---- for flushes

    /** Whether a flush of the disk has to cover the lower image. */
    boolean isMirroring() {
        return direction == Direction.DOWN;
    }

    /** Makes durable what the lower image got. */
    void commitParent(CommitListener listener) {
        parent.commit(
                status -> {
                    boolean counts = status == IoStatus.OK || parentFailed(status);
                    listener.committed(counts ? status : IoStatus.OK);
                });
    }

    /**
     * From now on, or no longer, both images count.
     *
     * @return whether the lower one has got everything so far
     */
    IoStatus committing(boolean now) {
        committing = now;
        return copy.failure();
    }

    boolean isCommitting() {
        return committing;
    }

    // ---- for pieces

    @Override
    public void close(int piece, long from, long to, Runnable closed) {
        pieceFrom[piece] = from;
        pieceTo[piece] = to;
        if (isWritten(from, to)) {
            pieceReady[piece] = closed;
        } else {
            closed.run();
        }
    }

    @Override
    public void open(int piece) {
        pieceFrom[piece] = 0;
        pieceTo[piece] = 0;
        BlockRequest parked = parkedFirst;
        parkedFirst = null;
        BlockRequest.wakeAll(parked, IoStatus.OK);
    }

    /** What is written meanwhile beyond the position may be in what was found to be empty. */
    @Override
    public boolean isNeeded() {
        return direction == Direction.DOWN;
    }
}
