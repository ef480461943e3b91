// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.AlignmentFilter;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.DeviceGraph;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.block.NodePermission;
import dev.varve.vdi.filter.ResendFilter;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.store.StoreVolume;

import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;

/**
 * A volume that is open on a lane, ready for requests of any alignment.
 *
 * <p><b>Threads:</b> any; the device keeps to the lane.
 */
public final class OpenVolume implements AutoCloseable {
    private static final long STUCK_NANOS = TimeUnit.SECONDS.toNanos(60);
    private static final long REAP_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final Lane lane;
    private final StoreVolume volume;
    private final DeviceGraph device;

    /** Opens a volume on a lane, without filters. */
    OpenVolume(Lane lane, StoreVolume volume, boolean writable) {
        this(lane, volume, writable, List.of());
    }

    /**
     * Opens a volume on a lane that the caller runs; everybody else asks the {@link VdiEngine}.
     *
     * @param filters filters right in front of the volume, the nearest first
     */
    public OpenVolume(Lane lane, StoreVolume volume, boolean writable, List<BlockFilter> filters) {
        this.lane = lane;
        this.volume = volume;
        this.device = new DeviceGraph(volume.device());
        if (writable && mayLose()) {
            device.insert(new ResendFilter());
        }
        filters.forEach(device::insert);
        device.insert(new AlignmentFilter());
        device.addUser(
                "engine",
                writable ? EnumSet.allOf(NodePermission.class) : EnumSet.of(NodePermission.READ),
                Set.of(NodePermission.READ));
    }

    /** Whether the storage can lose what was not flushed while this host goes on. */
    private boolean mayLose() {
        return volume.device().lossEpoch() != BlockDevice.NO_LOSS;
    }

    /** The lane that runs it. */
    public Lane lane() {
        return lane;
    }

    /** The volume. */
    public StoreVolume volume() {
        return volume;
    }

    /** Its device on the lane. */
    public DeviceGraph device() {
        return device;
    }

    /**
     * Makes durable what the last user of the volume wrote and did not flush. In storage that
     * outlives hosts it is still to be seen, and may be lost later. Whoever changes what is in a
     * volume as he finds it calls this before he looks. Blocks.
     */
    public void keepLeftovers(Operation operation) {
        if (mayLose()) {
            access(operation).flush();
        }
    }

    /** Opens the image in the volume; for writing, after {@link #keepLeftovers}. */
    public ImageLayer openImage(ImageFormat format, boolean writable, Operation operation) {
        if (writable) {
            keepLeftovers(operation);
        }
        return format.open(access(operation), writable);
    }

    /** The volume for code that may wait, under the deadline of an operation. */
    public BlockAccess access(Operation operation) {
        return access(operation, STUCK_NANOS);
    }

    /** The same, with an own limit for how long the storage may take for one request. */
    BlockAccess access(Operation operation, long longestWaitNanos) {
        return new LaneAccess(lane, volume, device, operation, longestWaitNanos);
    }

    /**
     * Refuses requests from now on and closes the volume as soon as nothing is in flight on it: a
     * file closed earlier gives its number to the next one, and a request that starts late would
     * hit that. When the storage does not answer soon, that happens after this has returned.
     */
    @Override
    public void close() {
        closeWhenIdle(() -> true);
    }

    /**
     * As {@link #close}.
     *
     * @param idle whether those above the volume are done with it; asked on the lane
     * @return whether the volume is closed already
     */
    public boolean closeWhenIdle(BooleanSupplier idle) {
        CompletableFuture<Boolean> closed = new CompletableFuture<>();
        lane.execute(() -> reap(idle, closed));
        try {
            return lane.waiting().await(closed, REAP_NANOS);
        } catch (TimeoutException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof StorageException storage) {
                throw storage;
            }
            throw new IllegalStateException("closing a volume failed", e.getCause());
        }
    }

    /**
     * What is above may still need requests of its own to end, so the device is cut off after it.
     */
    private void reap(BooleanSupplier idle, CompletableFuture<Boolean> closed) {
        if (idle.getAsBoolean()) {
            device.cut();
        }
        if (device.isCut() && device.inFlight() == 0) {
            lane.waiting().start("volume-reaper", () -> closeNow(closed));
        } else {
            lane.schedule(new LaneTimer(() -> reap(idle, closed)), REAP_NANOS / 10);
        }
    }

    private void closeNow(CompletableFuture<Boolean> closed) {
        try {
            volume.close();
            closed.complete(true);
        } catch (RuntimeException | Error e) {
            closed.completeExceptionally(e);
        }
    }
}
