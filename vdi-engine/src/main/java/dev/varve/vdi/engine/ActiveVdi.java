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
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.time.Threads;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;

/**
 * A disk that serves I/O on a lane.
 *
 * <p><b>Threads:</b> {@link #device()} and {@link #requests()} on the lane's; {@link #resize} and
 * {@link #close} on control threads, one at a time.
 */
public final class ActiveVdi {
    /** As good as for ever: a storage that is away may come back. */
    private static final long LONGEST_NANOS = TimeUnit.DAYS.toNanos(365);

    private static final ThreadFactory CLOSERS = Threads.virtualFactory("vdi-closer-");

    /** A storage that ends nothing for so long while a disk is closed is taken to be stuck. */
    private static final long STALLED_NANOS = TimeUnit.SECONDS.toNanos(3);

    private final UUID uuid;
    private final OpenVolume volume;
    private final ImageLayer layer;
    private final DeviceGraph device;
    private final StatsFilter stats = new StatsFilter();
    private final RequestPool requests;
    private final boolean writable;
    private final Runnable onClose;

    /**
     * Puts a disk on a lane that the caller runs; everybody else asks the {@link VdiEngine}.
     *
     * @param filters filters in front of the disk, the nearest first
     * @param onClose told when the disk is closed
     */
    public ActiveVdi(
            UUID uuid,
            OpenVolume volume,
            ImageLayer layer,
            boolean writable,
            int requestCount,
            List<BlockFilter> filters,
            Runnable onClose) {
        this.uuid = uuid;
        this.volume = volume;
        this.layer = layer;
        this.writable = writable;
        this.onClose = onClose;
        Lane lane = volume.lane();
        this.device =
                new DeviceGraph(
                        new ImageDevice(lane, layer, volume.device(), volume.volume(), writable));
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
        return volume.lane();
    }

    /** What requests are submitted to. */
    public DeviceGraph device() {
        return device;
    }

    /** The requests that it can have in flight. */
    public RequestPool requests() {
        return requests;
    }

    /** The volume below. */
    public OpenVolume volume() {
        return volume;
    }

    /** Counters of its I/O. */
    public StatsFilter stats() {
        return stats;
    }

    /** Whether it can be written. */
    public boolean isWritable() {
        return writable;
    }

    /**
     * Makes the disk larger while it is in use: requests are held for as long as it takes to write
     * one sector of metadata and flush it.
     */
    public void resize(long newSizeBytes, Operation operation) {
        if (!writable) {
            throw ErrorCode.VDI_READONLY.with(uuid.toString());
        }
        try {
            if (!quiesce(operation)) {
                throw ErrorCode.VDI_RESIZE.because(
                        "the storage did not finish what was in flight in time; the size is"
                                + " unchanged");
            }
            commit(operation);
            layer.resize(volume.access(operation), newSizeBytes);
        } catch (StorageException e) {
            if (e.code() == ErrorCode.SR_IO_ERROR) {
                lane().execute(() -> layer.failed(IoStatus.IO_ERROR));
            }
            throw e;
        } finally {
            lane().execute(device::resume);
        }
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
        CLOSERS.newThread(() -> finish(patient, closed)).start();
        if (!awaitWhileMoving(closed, operation)) {
            throw ErrorCode.DEVICE_DETACH_TIMEOUT.with("VDI", uuid.toString());
        }
    }

    private void finish(Operation operation, CompletableFuture<Boolean> closed) {
        RuntimeException failure = null;
        try {
            lane().execute(device::cut);
            quiesce(operation);
            if (writable) {
                commit(operation);
                layer.seal(volume.access(operation, Long.MAX_VALUE));
            }
        } catch (RuntimeException e) {
            failure = e;
        }
        volume.closeWhenIdle(() -> device.inFlight() == 0);
        if (failure == null) {
            closed.complete(true);
        } else {
            closed.completeExceptionally(failure);
        }
    }

    /** Waits until nothing is in flight; false when the operation has no more time. */
    private boolean quiesce(Operation operation) {
        CompletableFuture<Boolean> drained = new CompletableFuture<>();
        long timeout = Math.min(LONGEST_NANOS, operation.remainingNanos());
        lane().execute(() -> device.drain(lane(), timeout, drained::complete));
        return awaitWithin(drained, timeout);
    }

    /** Waits as long as the storage ends requests and the operation has time. */
    private boolean awaitWhileMoving(CompletableFuture<Boolean> future, Operation operation) {
        long finished = volume.device().finishedCount();
        while (true) {
            long step = Math.min(STALLED_NANOS, operation.remainingNanos());
            if (awaitWithin(future, step)) {
                return true;
            }
            long now = volume.device().finishedCount();
            if (future.isDone() || now == finished || operation.remainingNanos() == 0) {
                return awaitWithin(future, 0);
            }
            finished = now;
        }
    }

    private static boolean awaitWithin(CompletableFuture<Boolean> future, long nanos) {
        try {
            return future.get(nanos, TimeUnit.NANOSECONDS);
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
        lane().execute(
                        () ->
                                layer.commit(
                                        status -> {
                                            outcome.set(status);
                                            done.complete(status == IoStatus.OK);
                                        }));
        if (!awaitWithin(done, Math.min(LONGEST_NANOS, operation.remainingNanos()))) {
            throw ErrorCode.SR_IO_ERROR.because(
                    "the metadata of disk "
                            + uuid
                            + " could not be brought to storage: "
                            + (outcome.get() == null ? "no answer in time" : outcome.get()));
        }
    }
}
