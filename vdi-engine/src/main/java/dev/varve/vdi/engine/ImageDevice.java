// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.block.Waiter;
import dev.varve.vdi.image.CommitGuard;
import dev.varve.vdi.image.CommitListener;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.Mapping;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * A disk: turns each request into requests for volumes, as its chain of images says.
 *
 * <p>A request goes through the stages in one walk: <i>resolve</i> asks the chain where the next
 * bytes are, <i>allocate</i> has the leaf make room for a write, <i>transfer</i> sends a part to a
 * volume, and <i>complete</i> runs when the last part is done. A walk that has to wait for a layer
 * is left and taken up again at the same place.
 *
 * <p><b>Durability:</b> a flush is a commit of the leaf, of every image below it that was the leaf
 * a short while ago and is not in order yet, and of the image that the leaf is being merged into. A
 * write with FUA whose place is already safe is a durable write of the volume; any other is
 * followed by a commit. Metadata that nobody flushes is committed within a second.
 *
 * <p><b>Discard and zeros:</b> what a discard concerns reads as zero or keeps its last value; it
 * never shows what is in a layer below. Zeros over data of a layer below are written to the leaf. A
 * whole block of a disk without layers below is given up.
 *
 * <p><b>Threads:</b> the lane's only.
 */
public final class ImageDevice implements BlockDevice, Waiter {
    private static final long COMMIT_AFTER_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final Lane lane;
    private final ImageChain chain;
    private final Set<BlockFeature> features;
    private final Mapping mapping = new Mapping();
    private final BlockCompletion partDone = this::partDone;
    private final BlockCompletion mirrorDone = this::mirrorDone;
    private final LaneTimer commitTimer = new LaneTimer(this::commitInBackground);

    /** Images that were the leaf, whose last writes may not be durable yet. */
    private final List<ImageLayer> settling = new ArrayList<>();

    /** What each leaf's commits wait for, or null. */
    private CommitGuard guard;

    /** Asked for with every request, so it is not made anew each time. */
    private volatile Geometry geometry = new Geometry(0, Geometry.SECTOR_BYTES, 4096, 1);

    /**
     * @param layers the images of the disk from the bottom to the leaf, open on the lane
     */
    public ImageDevice(Lane lane, List<OpenLayer> layers, boolean writable) {
        this.lane = lane;
        this.chain = new ImageChain(layers);
        this.features =
                writable
                        ? Set.copyOf(EnumSet.allOf(BlockFeature.class))
                        : Set.of(BlockFeature.EXTENTS);
    }

    @Override
    public Geometry geometry() {
        Geometry known = geometry;
        if (known.sizeBytes() != chain.sizeBytes()) {
            known = known.withSize(chain.sizeBytes());
            geometry = known;
        }
        return known;
    }

    @Override
    public Set<BlockFeature> features() {
        return features;
    }

    @Override
    public void submit(BlockRequest request) {
        if (request.op == BlockOp.FLUSH) {
            commit(request::complete);
            return;
        }
        request.cursor = 0;
        request.firstFailure = IoStatus.OK;
        request.pending = 1; // the walk itself
        request.waiter = this;
        request.version = chain.enter();
        walk(request);
    }

    @Override
    public void resume(BlockRequest request) {
        walk(request);
    }

    @Override
    public void fail(BlockRequest request, IoStatus status) {
        request.noteFailure(status);
        endPart(request);
    }

    private void walk(BlockRequest request) {
        ImageChain.Version version = (ImageChain.Version) request.version;
        while (request.cursor < request.length && request.firstFailure == IoStatus.OK) {
            long position = request.offset + request.cursor;
            long rest = request.length - request.cursor;
            if (version.merge != null && request.op.changes()) {
                if (version.merge.ignores(request.op)) {
                    break;
                }
                long unit = LayerCopy.UNIT_BYTES;
                rest = Math.min(rest, unit - position % unit);
                if (!version.merge.admits(request, position, rest)) {
                    return;
                }
            }
            boolean prepared = find(request, version, position, rest);
            switch (mapping.kind) {
                case WAIT -> {
                    return;
                }
                case FAILED -> request.noteFailure(mapping.status);
                case DATA -> data(request, version, prepared);
                case ZERO, ABSENT -> nothing(request, mapping.length);
            }
        }
        endPart(request);
    }

    /** Finds where the next bytes are or, with true, where they may be written. */
    private boolean find(
            BlockRequest request, ImageChain.Version version, long position, long rest) {
        if (allocates(request)) {
            version.leaf.layer().prepare(request, position, rest, mapping);
            return true;
        }
        chain.locate(request, position, rest, mapping);
        if (mapping.kind != Mapping.Kind.DATA || !request.op.changes()) {
            return false;
        }
        if (mapping.layer == version.leafIndex()) {
            boolean alone = chain.depth() == 1 && chain.leaf() == version.leaf;
            long freed = alone ? version.leaf.layer().free(position, rest) : 0;
            if (freed > 0) {
                mapping.zero(freed);
            }
            return false;
        }
        if (request.op == BlockOp.DISCARD) {
            mapping.zero(mapping.length); // it keeps its last value, which is the one below
            return false;
        }
        version.leaf.layer().prepare(request, position, mapping.length, mapping);
        return true;
    }

    /**
     * A request to make zeros leaves what was never written as it is, unless it has to keep space.
     */
    private static boolean allocates(BlockRequest request) {
        return request.op == BlockOp.WRITE
                || (request.op == BlockOp.WRITE_ZEROES && request.has(BlockRequest.NO_HOLE));
    }

    private static void nothing(BlockRequest request, long length) {
        if (request.op == BlockOp.READ) {
            request.zero(request.cursor, length);
        } else if (request.op == BlockOp.EXTENTS) {
            request.extents.add(length, false);
        }
        request.cursor += length;
        stopWhenFull(request);
    }

    private static void stopWhenFull(BlockRequest request) {
        if (request.op == BlockOp.EXTENTS && request.extents.isFull()) {
            request.cursor = request.length;
        }
    }

    private void data(BlockRequest request, ImageChain.Version version, boolean prepared) {
        long start = request.cursor;
        long length = mapping.length;
        request.cursor += length;
        if (request.op == BlockOp.EXTENTS) {
            request.extents.add(length, true);
            stopWhenFull(request);
            return;
        }
        BlockRequest part = lane.acquire();
        part.set(request.op, request.flags, mapping.deviceOffset, length);
        if (request.buffer != null) {
            part.data(request.buffer, request.bufferOffset + start);
        }
        part.parent = request;
        part.token = request.offset + start;
        part.owner = prepared ? version : null;
        part.version = prepared ? mapping.pin : null;
        part.push(partDone);
        request.pending++;
        OpenLayer place = placeOf(version, prepared);
        if (version.merge != null && request.op.changes()) {
            mindMerge(request, version.merge, part, place == version.leaf);
        }
        place.device().submit(part);
    }

    /**
     * The image in which the answer is. A former leaf may have a view in its place that can only be
     * read, and is the same; one that was joined with another image is not the same as that.
     */
    private OpenLayer placeOf(ImageChain.Version version, boolean prepared) {
        boolean own = prepared || (mapping.layer == version.leafIndex() && !version.isJoined());
        return own ? version.leaf : chain.layer(mapping.layer);
    }

    /**
     * Tells a merge of a part, and has the lower image get the same where it has to.
     *
     * @param upper whether the part goes to the upper image; after the merge it may be for the
     *     lower one already
     */
    private void mindMerge(
            BlockRequest request, LiveMerge merge, BlockRequest part, boolean upper) {
        merge.begins(part.token, part.length);
        part.waiter = this; // a part that does not concern a merge has none
        if (!upper || !merge.mirrors(part.token)) {
            return;
        }
        merge.begins(part.token, part.length);
        BlockRequest mirror = lane.acquire();
        mirror.set(request.op, request.flags, part.token, part.length);
        if (request.op == BlockOp.WRITE_ZEROES) {
            mirror.flags |= BlockRequest.NO_HOLE; // a hole would show what is below
        }
        mirror.data(part.buffer, part.bufferOffset);
        mirror.parent = request;
        mirror.push(mirrorDone);
        request.pending++;
        merge.parent().submit(mirror);
    }

    private void mirrorDone(BlockRequest mirror) {
        BlockRequest request = mirror.parent;
        ImageChain.Version version = (ImageChain.Version) request.version;
        LiveMerge merge = version.merge;
        if (version.isJoined() && mirror.status == IoStatus.OK) {
            // The lower image is in the chain by now, and perhaps was asked before it had this.
            chain.written(version.leafIndex(), mirror.offset, mirror.length);
        }
        if (mirror.status != IoStatus.OK && merge.parentFailed(mirror.status)) {
            request.noteFailure(mirror.status);
        }
        merge.ends(mirror.offset, mirror.length);
        lane.release(mirror);
        endPart(request);
    }

    private void partDone(BlockRequest part) {
        BlockRequest request = part.parent;
        ImageChain.Version version = (ImageChain.Version) request.version;
        if (part.owner != null) {
            if (part.status == IoStatus.OK) {
                version.leaf.layer().written(part.token, part.length, part.version);
                chain.written(version.leafIndex(), part.token, part.length);
            } else {
                version.leaf.layer().abandoned(part.version);
            }
        }
        if (part.status != IoStatus.OK) {
            request.noteFailure(part.status);
            if (part.status == IoStatus.IO_ERROR && part.has(BlockRequest.FUA)) {
                version.leaf.layer().failed(part.status);
            }
        }
        if (part.waiter != null) {
            version.merge.ends(part.token, part.length);
        }
        part.version = null;
        lane.release(part);
        endPart(request);
    }

    private void endPart(BlockRequest request) {
        if (--request.pending > 0) {
            return;
        }
        ImageChain.Version version = (ImageChain.Version) request.version;
        ImageLayer leaf = version.leaf.layer();
        if (leaf.isDirty() && !commitTimer.isScheduled()) {
            lane.schedule(commitTimer, COMMIT_AFTER_NANOS);
        }
        boolean durable = request.op.changes() && request.has(BlockRequest.FUA);
        boolean commits =
                durable
                        && request.firstFailure == IoStatus.OK
                        && leaf.needsCommit(request.offset, request.length);
        boolean both = durable && version.merge != null && version.merge.isMirroring();
        if (both && request.firstFailure == IoStatus.OK) {
            commit(status -> end(request, status));
        } else if (commits) {
            leaf.commit(status -> end(request, status));
        } else {
            end(request, request.firstFailure);
        }
    }

    /** Until here the images that it concerns stay open. */
    private void end(BlockRequest request, IoStatus status) {
        ImageChain.Version version = (ImageChain.Version) request.version;
        request.version = null;
        chain.leave(version);
        request.complete(status);
    }

    // ---- commits

    /** A failure is not lost: the layer answers the next flush with it. No room is worth a wait. */
    private void commitInBackground() {
        if (chain.leaf().layer().isDirty() || settling.stream().anyMatch(ImageLayer::isDirty)) {
            commit(
                    status -> {
                        if (status == IoStatus.NO_SPACE && !commitTimer.isScheduled()) {
                            lane.schedule(commitTimer, COMMIT_AFTER_NANOS);
                        }
                    });
        }
    }

    /** Makes everything durable that was written before the call. */
    void commit(CommitListener listener) {
        ImageLayer leaf = chain.leaf().layer();
        LiveMerge merge = chain.merge();
        boolean mirroring = merge != null && merge.isMirroring();
        if (settling.isEmpty() && !mirroring) {
            leaf.commit(
                    status -> {
                        reuseRoom(leaf);
                        listener.committed(status);
                    });
            return;
        }
        CommitListener all = new All(settling.size() + (mirroring ? 2 : 1), listener);
        if (mirroring) {
            merge.commitParent(all);
        }
        for (ImageLayer layer : List.copyOf(settling)) {
            layer.commit(all);
        }
        leaf.commit(all);
    }

    /** Answers when several commits have ended, with the first failure. */
    private static final class All implements CommitListener {
        private final CommitListener listener;
        private int missing;
        private IoStatus failure = IoStatus.OK;

        All(int count, CommitListener listener) {
            this.missing = count;
            this.listener = listener;
        }

        @Override
        public void committed(IoStatus status) {
            failure = failure == IoStatus.OK ? status : failure;
            if (--missing == 0) {
                listener.committed(failure);
            }
        }
    }

    /** Has commits of the leaf, and of each later one, wait for something; null for nothing. */
    void guard(CommitGuard newGuard) {
        guard = newGuard;
        chain.leaf().guard(newGuard);
    }

    /**
     * Whether what is written to the range now becomes durable only with a commit that asks the
     * guard first.
     */
    boolean isGuarded(CommitGuard by, long offset, long length) {
        OpenLayer leaf = chain.leaf();
        LiveMerge merge = chain.merge();
        boolean oneOfTwo = merge != null && merge.isCommitting(); // the other may show it at once
        return !oneOfTwo && leaf.guard() == by && !leaf.layer().showsAtOnce(offset, length);
    }

    /** What was given up may be used anew when nothing can be reading it any more. */
    private void reuseRoom(ImageLayer leaf) {
        if (leaf.retireFreed()) {
            chain.renew(leaf::reuseFreed);
        }
    }

    // ---- changes of the chain

    /**
     * Puts an empty image on top, between two requests. From now on it takes all writes.
     *
     * @param settled told when the last write to the former leaf is durable; from then on nobody
     *     writes to that
     */
    void push(OpenLayer child, CommitListener settled) {
        ImageLayer former = chain.leaf().layer();
        settling.add(former);
        child.guard(guard);
        chain.push(
                child,
                () ->
                        former.commit(
                                status -> {
                                    // After a failure it stays, so that every flush fails with it.
                                    if (status == IoStatus.OK) {
                                        settling.remove(former);
                                    }
                                    settled.committed(status);
                                }));
    }

    /**
     * Has another view of the same image serve what a layer did.
     *
     * @param over run when nothing uses the old one any more
     */
    void replace(OpenLayer old, OpenLayer same, Runnable over) {
        chain.replace(old, same, over);
    }

    /**
     * Has writes mind a merge from now on, or with null none.
     *
     * @param over run when the last request is over that began before
     */
    void mindMerge(LiveMerge merge, Runnable over) {
        chain.renew(merge, over);
    }

    /**
     * Has one layer serve what two did that lie one upon the other and hold together what it does.
     *
     * @param over run when nothing uses the two any more
     */
    void join(OpenLayer upper, OpenLayer joined, Runnable over) {
        chain.join(upper, joined, over);
        chain.leaf().guard(guard);
    }

    /** The image that another one of the chain rests on. */
    OpenLayer below(OpenLayer upper) {
        return chain.layer(chain.positionOf(upper) - 1);
    }

    /** The leaf has another size; no request is in flight. */
    void resized(long oldSizeBytes) {
        chain.resized(oldSizeBytes);
    }

    /** Lets go of what was worked out about the layers, and commits nothing more by itself. */
    void release() {
        lane.forget(commitTimer);
        chain.release();
    }

    /** The volumes are closed by whoever opened them. */
    @Override
    public void close() {}
}
