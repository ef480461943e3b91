// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.Operation;
import dev.varve.vdi.block.AlignmentFilter;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.DeviceGraph;
import dev.varve.vdi.block.NodePermission;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.store.StoreVolume;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * A volume that is open on a lane, ready for requests of any alignment.
 *
 * <p><b>Threads:</b> any; the device keeps to the lane.
 */
public final class OpenVolume implements AutoCloseable {
    private static final long STUCK_NANOS = TimeUnit.SECONDS.toNanos(60);

    private final Lane lane;
    private final StoreVolume volume;
    private final DeviceGraph device;

    /**
     * @param filters filters right in front of the volume, the nearest first
     */
    OpenVolume(Lane lane, StoreVolume volume, boolean writable, List<BlockFilter> filters) {
        this.lane = lane;
        this.volume = volume;
        this.device = new DeviceGraph(volume.device());
        filters.forEach(device::insert);
        device.insert(new AlignmentFilter());
        device.addUser(
                "engine",
                writable
                        ? EnumSet.allOf(NodePermission.class)
                        : EnumSet.of(NodePermission.READ),
                Set.of(NodePermission.READ));
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

    /** The volume for code that may wait, under the deadline of an operation. */
    public BlockAccess access(Operation operation) {
        return access(operation, STUCK_NANOS);
    }

    /** The same, with an own limit for how long the storage may take for one request. */
    BlockAccess access(Operation operation, long longestWaitNanos) {
        return new LaneAccess(lane, volume, device, operation, longestWaitNanos);
    }

    @Override
    public void close() {
        volume.close();
    }
}
