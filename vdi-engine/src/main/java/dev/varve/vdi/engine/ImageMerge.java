// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Invariant;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.store.VolumeId;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * An image and the one that it rests on become one, while disks that rest on them are used: data is
 * copied from one to the other until the other holds everything, then one commit makes it the only
 * one. Until that commit both are what they were, whatever happens.
 *
 * <p>Downward the lower image gets what the upper one holds, and takes its place. Upward the upper
 * image gets what it lacks, and comes to rest on what the lower one rests on.
 *
 * <p>A merge of the leaf of an active disk is <i>live</i>: see {@link LiveMerge}. When the disk
 * gets another leaf meanwhile, a live merge downward goes on as one of two inner nodes.
 *
 * <p><b>Threads:</b> any. {@link #cancel} and {@link #commit} exclude each other; {@link #await}
 * may run beside them.
 */
public final class ImageMerge {
    /** Which way data goes. */
    public enum Direction {
        /** From the upper image to the lower one. */
        DOWN,
        /** From the lower image to the upper one. */
        UP
    }

    /**
     * What is to be merged.
     *
     * @param source where the images are
     * @param child the upper image
     * @param parent the image that it rests on; nothing else may rest on it
     * @param live the disk whose leaf the upper image is, if that is active
     */
    public record Pair(
            ParentSource source,
            VolumeId child,
            VolumeId parent,
            Direction direction,
            Optional<ActiveVdi> live) {}

    /** Makes a merge that has all data durable. */
    @FunctionalInterface
    public interface Commit {
        /**
         * Returns when it has happened and throws when it has not.
         *
         * @param result the image that stays, open for writing
         */
        void run(OpenLayer result);
    }

    private enum State {
        COPYING,
        JOINED,
        GONE
    }

    private static final long CHECK_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final SharedLayers shared;
    private final Pair pair;
    private final Lane lane;
    private final long bytesPerSecond;
    private final CompletableFuture<IoStatus> done = new CompletableFuture<>();

    /** The disk whose leaf the upper image is, or null. */
    private ActiveVdi vdi;

    private OpenLayer child;
    private OpenLayer parent;
    private ImageDevice childView;
    private ImageDevice parentView;
    private LiveMerge live;
    private volatile LayerCopy copy;
    private CompletableFuture<IoStatus> copyEnded;
    private State state = State.COPYING;

    ImageMerge(SharedLayers shared, Pair pair, Lane lane, Operation operation) {
        this.shared = shared;
        this.pair = pair;
        this.lane = lane;
        this.vdi = pair.live().orElse(null);
        this.bytesPerSecond = operation.bytesPerSecond();
    }

    // ---- beginning

    /** Opens the images and begins to copy. */
    synchronized void start(Operation operation) {
        try {
            openImages(operation);
            if (vdi != null) {
                vdi.begin(this);
                live = new LiveMerge(pair.direction(), parentView);
            }
            startCopy(0);
        } catch (RuntimeException | Error e) {
            closeImages();
            state = State.GONE;
            throw e;
        }
    }

    private boolean isDown() {
        return pair.direction() == Direction.DOWN;
    }

    private void openImages(Operation operation) {
        if (isDown()) {
            child = vdi != null ? vdi.leaf() : acquire(pair.child(), operation);
            parent = openForWriting(pair.parent(), operation);
            growParent(operation);
        } else {
            parent = acquire(pair.parent(), operation);
            child = vdi != null ? vdi.leaf() : openForWriting(pair.child(), operation);
        }
        childView = new ImageDevice(lane, List.of(child), !isDown());
        parentView = new ImageDevice(lane, List.of(parent), isDown());
    }

    private OpenLayer acquire(VolumeId id, Operation operation) {
        return shared.acquire(lane, pair.source(), id, operation);
    }

    private OpenLayer openForWriting(VolumeId id, Operation operation) {
        OpenVolume volume = new OpenVolume(lane, pair.source().open(id, true), true);
        try {
            return new OpenLayer(
                    volume, volume.openImage(pair.source().format(id), true, operation));
        } catch (RuntimeException | Error e) {
            volume.close();
            throw e;
        }
    }

    /** The lower image takes what lies behind its end, too; it is made larger before that. */
    private void growParent(Operation operation) {
        long size = child.layer().sizeBytes();
        if (parent.layer().sizeBytes() > size) {
            throw ErrorCode.VDI_SNAPSHOT.because(
                    "%s is larger than %s, which rests on it"
                            .formatted(pair.parent(), pair.child()));
        }
        if (parent.layer().sizeBytes() < size) {
            parent.layer().resize(parent.volume().access(operation), size);
        }
    }

    private void startCopy(long from) {
        CompletableFuture<IoStatus> ended = new CompletableFuture<>();
        LayerCopy next =
                new LayerCopy(
                        lane,
                        isDown() ? childView : parentView,
                        isDown() ? parentView : childView,
                        pair.direction(),
                        live == null ? LayerCopy.Fence.NONE : live,
                        from,
                        child.layer().sizeBytes(),
                        bytesPerSecond,
                        status -> {
                            ended(status);
                            ended.complete(status);
                        });
        copyEnded = ended;
        copy = next;
        LiveMerge minding = live;
        if (minding == null) {
            lane.execute(next::start);
        } else {
            minding.copy(next);
            lane.execute(() -> vdi.image().mindMerge(minding, next::start));
        }
    }

    /** A copy that was paused has not come to its end. */
    private void ended(IoStatus status) {
        LayerCopy ended = copy;
        if (status != IoStatus.OK || ended.position() >= ended.sizeBytes()) {
            done.complete(status);
        }
    }

    // ---- while it runs

    ParentSource source() {
        return pair.source();
    }

    /** The upper image, by the name that it has now. */
    public synchronized VolumeId child() {
        return child.volume().volume().id();
    }

    /** The lower image. */
    public VolumeId parent() {
        return pair.parent();
    }

    /** Which way data goes. */
    public Direction direction() {
        return pair.direction();
    }

    /** Whether the upper image is the leaf of an active disk now. */
    public synchronized boolean isLive() {
        return vdi != null;
    }

    /** How much data was copied, in bytes. */
    public long copiedBytes() {
        return copy.copiedBytes();
    }

    /** Whether everything is copied, or the merge has come to another end. */
    public boolean isDone() {
        return done.isDone();
    }

    /**
     * Waits until all data is copied.
     *
     * @return false when somebody else has cancelled the merge
     * @throws StorageException TASK_CANCELLED or OPERATION_TIMED_OUT for the operation, another one
     *     when an image could not be read or written; {@link #cancel} is still to be called
     */
    public boolean await(Operation operation) {
        while (true) {
            operation.checkpoint();
            Optional<IoStatus> status = poll(operation);
            LayerCopy now = copy;
            operation.progress(now.position(), now.sizeBytes());
            if (status.isPresent()) {
                return hasCopied(status.get());
            }
        }
    }

    private Optional<IoStatus> poll(Operation operation) {
        try {
            return Optional.of(lane.waiting().await(done, CHECK_NANOS));
        } catch (TimeoutException e) {
            return Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ErrorCode.TASK_CANCELLED.with(operation.label());
        } catch (ExecutionException e) {
            throw new IllegalStateException("a lane failed", e.getCause());
        }
    }

    private boolean hasCopied(IoStatus status) {
        return switch (status) {
            case OK -> true;
            case CANCELLED -> false;
            case NO_SPACE ->
                    throw ErrorCode.SR_NO_SPACE.because(
                            "the storage is full: merging " + pair.child());
            default ->
                    throw ErrorCode.SR_IO_ERROR.because(
                            "merging %s with %s failed with %s"
                                    .formatted(pair.child(), pair.parent(), status));
        };
    }

    /**
     * Gives the merge up, unless it has been committed: both images are what they were, and in
     * order.
     */
    public synchronized void cancel() {
        if (state != State.COPYING) {
            return;
        }
        stopCopying();
        if (vdi != null) {
            CompletableFuture<Void> over = new CompletableFuture<>();
            lane.execute(() -> vdi.image().mindMerge(null, () -> over.complete(null)));
            lane.waiting().join(over);
            vdi.end(this);
        }
        state = State.GONE;
        try {
            putInOrder();
        } finally {
            closeImages();
            done.complete(IoStatus.CANCELLED);
        }
    }

    private void stopCopying() {
        LayerCopy now = copy;
        lane.execute(now::stop);
        lane.waiting().join(copyEnded);
    }

    /** What was written to stays an inner node, or whatever it is. A failure leaves it unclean. */
    private void putInOrder() {
        OpenLayer written = isDown() ? parent : child;
        if (!isDown() && written == leafOfDisk()) {
            return;
        }
        if (commitView(isDown() ? parentView : childView) == IoStatus.OK) {
            Operation patient = Operation.unbounded("end a merge", lane.clock());
            try {
                written.layer().seal(written.volume().access(patient), hiddenMark(written));
            } catch (StorageException e) {
                written.layer().failed(IoStatus.IO_ERROR); // it is put in order when it is opened
            }
        }
    }

    private boolean hiddenMark(OpenLayer written) {
        return written.layer().info().hidden()
                || pair.source().isHidden(written.volume().volume().id());
    }

    private OpenLayer leafOfDisk() {
        return vdi == null ? null : vdi.leaf();
    }

    private IoStatus commitView(ImageDevice view) {
        CompletableFuture<IoStatus> committed = new CompletableFuture<>();
        lane.execute(() -> view.commit(committed::complete));
        return lane.waiting().join(committed);
    }

    /** Closes what was opened for the merge, and nothing that others opened. */
    private void closeImages() {
        lane.execute(this::releaseViews);
        boolean ownChild = child != null && child != leafOfDisk();
        if (isDown()) {
            release(ownChild ? child : null);
            close(parent);
        } else {
            release(parent);
            close(ownChild ? child : null);
        }
    }

    private void releaseViews() {
        if (childView != null) {
            childView.release();
        }
        if (parentView != null) {
            parentView.release();
        }
    }

    private void release(OpenLayer layer) {
        if (layer != null) {
            shared.release(layer);
        }
    }

    private static void close(OpenLayer layer) {
        if (layer != null) {
            layer.close();
        }
    }

    // ---- when the disk gets another leaf

    /**
     * The disk is about to get another leaf. Downward, nothing more is copied until {@link #turn};
     * writes go on to both images. Upward the merge ends, since nothing may be written to the image
     * from then on; what it has got already need not be copied again.
     */
    synchronized void pause() {
        if (state != State.COPYING || vdi == null) {
            return;
        }
        if (isDown()) {
            stopCopying();
        } else {
            cancel();
        }
    }

    /**
     * The disk has another leaf, and the last write to the upper image is durable: it goes on as
     * one that is only read.
     */
    synchronized void turn(VolumeId base, Operation operation) {
        if (state != State.COPYING || vdi == null) {
            return;
        }
        vdi.end(this);
        vdi = null;
        live = null;
        ImageDevice before = childView;
        lane.execute(before::release);
        child = acquire(base, operation);
        childView = new ImageDevice(lane, List.of(child), false);
        if (!done.isDone()) {
            startCopy(copy.position());
        }
    }

    // ---- the end

    /**
     * Commits the merge: makes all data durable, has the caller make it so for the store, and then
     * has one image serve what two did in all active disks.
     *
     * @param step makes it so for the store
     * @param affected the active disks in whose chains both images are, apart from a live merge's
     * @return nothing when the merge was cancelled before; else why some of the disks go on with
     *     the two images that they have, which show the same as long as they are open
     * @throws StorageException when it has not happened; {@link #cancel} is still to be called
     */
    synchronized Optional<List<StorageException>> commit(
            Commit step, List<Affected> affected, Operation operation) {
        Invariant.check(done.isDone() && state != State.JOINED, "a merge is committed once");
        if (state == State.GONE) {
            return Optional.empty();
        }
        OpenLayer result = isDown() ? parent : child;
        VolumeId name = child();
        try {
            flush();
            step.run(result);
        } catch (RuntimeException | Error e) {
            endCommitting();
            throw e;
        }
        state = State.JOINED;
        shared.forget(pair.source(), List.of(name, pair.parent()));
        if (vdi != null) {
            joinLive(result);
            return Optional.of(List.of());
        }
        closeImages();
        return Optional.of(joinAll(name, affected, operation));
    }

    private void flush() {
        IoStatus status;
        if (vdi == null) {
            status = commitView(isDown() ? parentView : childView);
        } else {
            CompletableFuture<IoStatus> committed = new CompletableFuture<>();
            lane.execute(() -> commitBoth(committed));
            status = lane.waiting().join(committed);
        }
        if (status != IoStatus.OK) {
            throw ErrorCode.SR_IO_ERROR.because(
                    "what was merged into %s could not be brought to storage: %s"
                            .formatted(isDown() ? pair.parent() : pair.child(), status));
        }
    }

    private void commitBoth(CompletableFuture<IoStatus> committed) {
        IoStatus soFar = live.committing(true);
        if (soFar == IoStatus.OK) {
            vdi.image().commit(committed::complete);
        } else {
            committed.complete(soFar);
        }
    }

    private void endCommitting() {
        LiveMerge minding = live;
        if (minding != null) {
            lane.execute(() -> minding.committing(false));
        }
    }

    private void joinLive(OpenLayer result) {
        vdi.end(this);
        vdi.joinLeaf(result);
        lane.execute(this::releaseViews);
        if (!isDown()) {
            release(parent);
        }
    }

    /** An active disk, and what it has of the two images below its leaf. */
    record Affected(ActiveVdi vdi, OpenLayer upper, OpenLayer lower) {}

    private List<StorageException> joinAll(
            VolumeId name, List<Affected> affected, Operation operation) {
        List<StorageException> failures = new ArrayList<>();
        for (Affected each : affected) {
            try {
                OpenLayer joined =
                        shared.acquire(each.vdi().lane(), pair.source(), name, operation);
                each.vdi().join(each.upper(), each.lower(), joined);
            } catch (StorageException e) {
                failures.add(e);
            }
        }
        return failures;
    }
}
