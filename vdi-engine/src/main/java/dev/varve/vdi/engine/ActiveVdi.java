// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.DeviceGraph;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.NodePermission;
import dev.varve.vdi.filter.StatsFilter;
import dev.varve.vdi.image.CommitGuard;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.store.VolumeId;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;

/**
 * A disk that serves I/O on a lane.
 *
 * <p><b>Threads:</b> {@link #device()} and {@link #requests()} on the lane's; {@link #resize} and
 * {@link #close} on control threads, one at a time.
 */
public final class ActiveVdi {
    /** As good as for ever: a storage that is away may come back. */
    private static final long LONGEST_NANOS = TimeUnit.DAYS.toNanos(365);

    /** A storage that ends nothing for so long while a disk is closed is taken to be stuck. */
    private static final long STALLED_NANOS = TimeUnit.SECONDS.toNanos(3);

    private final UUID uuid;
    private final Lane lane;
    private final ImageDevice image;
    private final DeviceGraph device;
    private final StatsFilter stats = new StatsFilter();
    private final RequestPool requests;
    private final boolean writable;
    private final Consumer<OpenLayer> release;
    private final Runnable onClose;

    private volatile Companion companion = Companion.NONE;

    /** The image that is written; the others are only read. */
    private volatile OpenLayer leaf;

    /** Guards the two fields that follow. */
    private final Object merging = new Object();

    private ImageMerge merge;
    private int mergeBars;

    /** Images that were the leaf and are not in order yet. */
    private final List<OpenLayer> former = new CopyOnWriteArrayList<>();

    /** The images below the leaf that others may use as well. */
    private final List<OpenLayer> shared = new CopyOnWriteArrayList<>();

    /**
     * Puts a disk on a lane that the caller runs; everybody else asks the {@link VdiEngine}.
     *
     * @param layers its images from the bottom to the leaf, open on the lane
     * @param filters filters in front of the disk, the nearest first
     * @param release takes the images below the leaf back when the disk is closed
     * @param onClose told when the disk is closed
     */
    public ActiveVdi(
            UUID uuid,
            List<OpenLayer> layers,
            boolean writable,
            int requestCount,
            List<BlockFilter> filters,
            Consumer<OpenLayer> release,
            Runnable onClose) {
        this.uuid = uuid;
        this.writable = writable;
        this.release = release;
        this.onClose = onClose;
        this.leaf = layers.getLast();
        this.shared.addAll(layers.subList(0, layers.size() - 1));
        this.lane = leaf.volume().lane();
        this.image = new ImageDevice(lane, layers, writable);
        this.device = new DeviceGraph(image);
        filters.forEach(device::insert);
        device.insert(stats);
        device.addUser(
                "clients",
                writable
                        ? EnumSet.of(NodePermission.READ, NodePermission.WRITE)
                        : EnumSet.of(NodePermission.READ),
                Set.of());
        this.requests = new RequestPool(lane, requestCount);
    }

    /** Which disk it is. */
    public UUID uuid() {
        return uuid;
    }

    /** The lane that runs it. */
    public Lane lane() {
        return lane;
    }

    /** What requests are submitted to. */
    public DeviceGraph device() {
        return device;
    }

    /** The requests that it can have in flight. */
    public RequestPool requests() {
        return requests;
    }

    /** The image that is written. Any thread. */
    public OpenLayer leaf() {
        return leaf;
    }

    /** The volumes of its images, from the bottom to the leaf. Of a disk that is only read. */
    public List<VolumeId> images() {
        List<VolumeId> images = new ArrayList<>();
        shared.forEach(layer -> images.add(layer.volume().volume().id()));
        images.add(leaf.volume().volume().id());
        return images;
    }

    /** How many images it consists of. Any thread. */
    public int depth() {
        return shared.size() + former.size() + 1;
    }

    /** Counters of its I/O. */
    public StatsFilter stats() {
        return stats;
    }

    /** Whether it can be written. */
    public boolean isWritable() {
        return writable;
    }

    ImageDevice image() {
        return image;
    }

    /** The images below the leaf, in no order. Any thread. */
    List<OpenLayer> below() {
        return shared;
    }

    /**
     * Makes the disk larger while it is in use: requests are held for as long as it takes to write
     * one sector of metadata and flush it.
     */
    public void resize(long newSizeBytes, Operation operation) {
        if (!writable) {
            throw ErrorCode.VDI_READONLY.with(uuid.toString());
        }
        barMerges();
        try {
            resizeAlone(newSizeBytes, operation);
        } finally {
            allowMerges();
        }
    }

    private void resizeAlone(long newSizeBytes, Operation operation) {
        OpenLayer resized = leaf;
        long oldSizeBytes = resized.layer().sizeBytes();
        requireNothingBehind(oldSizeBytes);
        try {
            if (!quiesce(operation)) {
                throw ErrorCode.VDI_RESIZE.because(
                        "the storage did not finish what was in flight in time; the size is"
                                + " unchanged");
            }
            commit(operation);
            resized.layer().resize(resized.volume().access(operation), newSizeBytes);
        } catch (StorageException e) {
            if (e.code() == ErrorCode.SR_IO_ERROR) {
                lane.execute(() -> resized.layer().failed(IoStatus.IO_ERROR));
            }
            throw e;
        } finally {
            lane.execute(
                    () -> {
                        image.resized(oldSizeBytes);
                        device.resume();
                    });
        }
    }

    /** What an image below has behind the disk's end would come to light. */
    private void requireNothingBehind(long sizeBytes) {
        for (OpenLayer below : shared) {
            if (below.layer().sizeBytes() > sizeBytes) {
                throw ErrorCode.VDI_RESIZE.because(
                        "the disk rests on the larger image "
                                + below.volume().volume().id()
                                + "; copy it to a new disk to make it larger");
            }
        }
    }

    /**
     * Has every flush fail from now on, because nobody knows any more which image is the disk's on
     * storage: nothing is to be acknowledged that may not be found again. Opening the disk anew
     * helps.
     */
    public void distrust() {
        OpenLayer distrusted = leaf;
        lane.execute(() -> distrusted.layer().failed(IoStatus.IO_ERROR));
    }

    // ---- merges of the leaf

    /**
     * Notes a merge of the leaf.
     *
     * @throws StorageException SR_VDI_IN_USE when there is one, or the disk is being closed or made
     *     larger
     */
    void begin(ImageMerge beginning) {
        synchronized (merging) {
            if (merge != null || mergeBars > 0) {
                throw ErrorCode.SR_VDI_IN_USE.because(
                        "the leaf of disk " + uuid + " cannot be merged now");
            }
            merge = beginning;
        }
    }

    void end(ImageMerge ending) {
        synchronized (merging) {
            merge = merge == ending ? null : merge;
        }
    }

    private ImageMerge merge() {
        synchronized (merging) {
            return merge;
        }
    }

    /** Gives the present merge up and lets none begin. */
    private void barMerges() {
        ImageMerge present;
        synchronized (merging) {
            mergeBars++;
            present = merge;
        }
        if (present != null) {
            present.cancel();
        }
    }

    private void allowMerges() {
        synchronized (merging) {
            mergeBars--;
        }
    }

    /** The leaf is about to become an inner node. */
    void pauseMerge() {
        ImageMerge present = merge();
        if (present != null) {
            present.pause();
        }
    }

    /** The former leaf is an inner node of this name now. */
    void turnMerge(VolumeId base, Operation operation) {
        ImageMerge present = merge();
        if (present != null) {
            present.turn(base, operation);
        }
    }

    /**
     * The leaf and the image below it have become one.
     *
     * @param result the leaf, or what takes its place and is the leaf from now on
     */
    void joinLeaf(OpenLayer result) {
        OpenLayer old = leaf;
        CompletableFuture<OpenLayer> replaced = new CompletableFuture<>();
        lane.execute(
                () -> {
                    OpenLayer lower = image.below(old);
                    image.join(old, result, () -> joined(old, result, lower));
                    replaced.complete(lower);
                });
        shared.remove(lane.waiting().join(replaced));
        leaf = result;
    }

    /** A flush that began before may still be about the former leaf; one more ends after it. */
    private void joined(OpenLayer old, OpenLayer result, OpenLayer lower) {
        releaseLater(lower);
        if (old != result) {
            old.layer().commit(status -> closeLater(old));
        }
    }

    /** Two images below the leaf have become one. */
    void join(OpenLayer upper, OpenLayer lower, OpenLayer joined) {
        shared.add(joined);
        shared.remove(upper);
        shared.remove(lower);
        lane.execute(
                () ->
                        image.join(
                                upper,
                                joined,
                                () -> {
                                    releaseLater(upper);
                                    releaseLater(lower);
                                }));
    }

    private void releaseLater(OpenLayer layer) {
        lane.waiting().start("vdi-closer", () -> release.accept(layer));
    }

    // ---- changes of the chain

    /** Holds new requests back; complete when that is so. */
    CompletableFuture<Void> hold() {
        return CompletableFuture.runAsync(device::hold, lane::execute);
    }

    /** Lets requests go on that were held back. */
    void letGo() {
        lane.execute(device::resume);
    }

    /**
     * Puts an empty image on top, which takes all writes that begin from then on. What is in flight
     * goes on.
     *
     * @param atOnce run on the lane at the same instant
     * @param settled completed when the last write to the former leaf is durable
     * @return complete when the image is on top
     */
    CompletableFuture<Void> push(
            OpenLayer child, Runnable atOnce, CompletableFuture<IoStatus> settled) {
        return CompletableFuture.runAsync(
                        () -> {
                            image.push(child, settled::complete);
                            atOnce.run();
                        },
                        lane::execute)
                .thenRun(
                        () -> {
                            former.add(leaf);
                            leaf = child;
                        });
    }

    /**
     * Has commits of the disk's images wait for something else first; null for nothing. On the
     * lane.
     */
    public void guard(CommitGuard guard) {
        image.guard(guard);
    }

    /**
     * Whether what is written to the range now is found after a crash only when a commit came after
     * it, and that commit asks the given guard first. On the lane.
     */
    public boolean isGuarded(CommitGuard by, long offset, long length) {
        return image.isGuarded(by, offset, length);
    }

    /** Keeps something beside the disk in order when that is closed. Before it is served. */
    public void accompany(Companion newCompanion) {
        companion = newCompanion;
    }

    /**
     * Has an image that others may use as well take the place of a former leaf that holds the same,
     * and closes that.
     */
    void settle(OpenLayer old, OpenLayer same) {
        shared.add(same);
        former.remove(old);
        lane.execute(() -> image.replace(old, same, () -> closeLater(old)));
    }

    private void closeLater(OpenLayer layer) {
        lane.waiting().start("vdi-closer", layer::close);
    }

    /**
     * Refuses requests from now on, brings everything to storage and leaves the image in order.
     *
     * @throws StorageException DEVICE_DETACH_TIMEOUT when the storage ended nothing for a while, or
     *     not all before the deadline. The disk is closed then for all who used it, but its volume
     *     stays open: closing goes on as soon as the storage answers, and nothing that was written
     *     is given up. Another error when the storage failed; the disk is closed then.
     */
    public void close(Operation operation) {
        onClose.run();
        CompletableFuture<Boolean> closed = new CompletableFuture<>();
        Operation patient = Operation.unbounded("close disk " + uuid, lane().clock());
        lane.waiting().start("vdi-closer", () -> finish(patient, closed));
        if (!awaitWhileMoving(closed, operation)) {
            throw ErrorCode.DEVICE_DETACH_TIMEOUT.with("VDI", uuid.toString());
        }
    }

    /** Gives up a disk that was never served. */
    void abandon() {
        leaf.close();
        shared.forEach(release);
    }

    private void finish(Operation operation, CompletableFuture<Boolean> closed) {
        RuntimeException failure = null;
        try {
            barMerges();
            lane.execute(device::cut);
            quiesce(operation);
            if (writable) {
                commit(operation);
                ImageLayer layer = leaf.layer();
                layer.seal(leaf.volume().access(operation, Long.MAX_VALUE), layer.info().hidden());
                companion.seal(operation);
            }
        } catch (RuntimeException e) {
            failure = e;
        }
        companion.close(this::isOver);
        leaf.closeWhenIdle(this::isOver);
        former.forEach(layer -> layer.closeWhenIdle(this::isOver));
        shared.forEach(release);
        if (failure == null) {
            closed.complete(true);
        } else {
            closed.completeExceptionally(failure);
        }
    }

    /** Whether nothing is in flight any more; lets go of what was known about the images then. */
    private boolean isOver() {
        boolean over = device.inFlight() == 0;
        if (over) {
            image.release();
        }
        return over;
    }

    /** Waits until nothing is in flight; false when the operation has no more time. */
    private boolean quiesce(Operation operation) {
        CompletableFuture<Boolean> drained = new CompletableFuture<>();
        long timeout = Math.min(LONGEST_NANOS, operation.remainingNanos());
        lane.execute(() -> device.drain(lane(), timeout, drained::complete));
        return awaitWithin(drained, timeout);
    }

    /** Waits as long as the storage ends requests and the operation has time. */
    private boolean awaitWhileMoving(CompletableFuture<Boolean> future, Operation operation) {
        long finished = leaf.volume().device().finishedCount();
        while (true) {
            long step = Math.min(STALLED_NANOS, operation.remainingNanos());
            if (awaitWithin(future, step)) {
                return true;
            }
            long now = leaf.volume().device().finishedCount();
            if (future.isDone() || now == finished || operation.remainingNanos() == 0) {
                return awaitWithin(future, 0);
            }
            finished = now;
        }
    }

    private boolean awaitWithin(CompletableFuture<Boolean> future, long nanos) {
        try {
            return lane.waiting().await(future, nanos);
        } catch (TimeoutException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof StorageException storage) {
                throw storage;
            }
            throw new IllegalStateException("a disk's lane failed", e.getCause());
        }
    }

    private void commit(Operation operation) {
        CompletableFuture<Boolean> done = new CompletableFuture<>();
        AtomicReference<IoStatus> outcome = new AtomicReference<>();
        lane.execute(
                () ->
                        image.commit(
                                status -> {
                                    outcome.set(status);
                                    done.complete(status == IoStatus.OK);
                                }));
        if (!awaitWithin(done, Math.min(LONGEST_NANOS, operation.remainingNanos()))) {
            ErrorCode code =
                    outcome.get() == IoStatus.NO_SPACE
                            ? ErrorCode.SR_NO_SPACE
                            : ErrorCode.SR_IO_ERROR;
            throw code.because(
                    "the metadata of disk "
                            + uuid
                            + " could not be brought to storage: "
                            + (outcome.get() == null ? "no answer in time" : outcome.get()));
        }
    }
}
