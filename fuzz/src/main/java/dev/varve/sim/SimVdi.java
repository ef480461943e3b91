// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.DeviceGraph;
import dev.varve.vdi.block.ExtentList;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.NodePermission;
import dev.varve.vdi.engine.ImageDevice;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageLayer;

import java.lang.foreign.MemorySegment;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * A disk that is active on a simulated host: what {@code ActiveVdi} is on a real one, with the lane
 * run by whoever waits.
 */
final class SimVdi {
    private final SimHost host;
    private final ImageLayer layer;
    private final DeviceGraph device;

    /** Opens the image of the host's volume; this is also what repairs it after a crash. */
    SimVdi(SimHost host, ImageFormat format, Sabotage sabotage) {
        this.host = host;
        this.layer = sabotage.wrap(format.open(host.access(), true));
        this.device =
                new DeviceGraph(
                        new ImageDevice(
                                host.lane(),
                                layer,
                                host.volume().device(),
                                host.volume().volume(),
                                true));
        for (BlockFilter filter : sabotage.aboveDisk()) {
            device.insert(filter);
        }
        device.addUser("guest", EnumSet.of(NodePermission.READ, NodePermission.WRITE), Set.of());
    }

    long sizeBytes() {
        return device.geometry().sizeBytes();
    }

    /** Starts a request. */
    void submit(
            BlockOp op,
            int flags,
            long offset,
            long length,
            MemorySegment memory,
            long memoryOffset,
            BlockCompletion completion) {
        BlockRequest request = host.lane().acquire().set(op, flags, offset, length);
        request.data(memory, memoryOffset).push(completion);
        device.submit(request);
    }

    /** Reads and waits. */
    MemorySegment read(long offset, int length) {
        MemorySegment memory = host.allocate(length);
        IoStatus[] outcome = new IoStatus[1];
        submit(BlockOp.READ, 0, offset, length, memory, 0, end -> outcome[0] = end(end));
        await(outcome, "a read");
        return memory;
    }

    /** Tells which parts of a range hold data. */
    ExtentList extents(long offset, long length) {
        ExtentList list = new ExtentList(64);
        IoStatus[] outcome = new IoStatus[1];
        BlockRequest request = host.lane().acquire().set(BlockOp.EXTENTS, 0, offset, length);
        request.extents = list;
        request.push(end -> outcome[0] = end(end));
        device.submit(request);
        await(outcome, "a question for extents");
        return list;
    }

    private static IoStatus end(BlockRequest request) {
        IoStatus status = request.status;
        request.context.release(request);
        return status;
    }

    private void await(IoStatus[] outcome, String what) {
        host.runUntil(() -> outcome[0] != null);
        if (outcome[0] != IoStatus.OK) {
            throw new SimulationFailure(what + " ended with " + outcome[0]);
        }
    }

    /** Makes the disk larger, as {@code ActiveVdi.resize} does. */
    void resize(long newSizeBytes) {
        quiesce();
        commit();
        try {
            layer.resize(host.access(), newSizeBytes);
        } finally {
            device.resume();
        }
    }

    /** Leaves the image in order, as {@code ActiveVdi.close} does. */
    void close() {
        quiesce();
        commit();
        layer.seal(host.access());
    }

    private void quiesce() {
        boolean[] drained = new boolean[1];
        device.drain(host.lane(), TimeUnit.HOURS.toNanos(1), done -> drained[0] = done);
        host.runUntil(() -> drained[0]);
    }

    private void commit() {
        IoStatus[] outcome = new IoStatus[1];
        layer.commit(status -> outcome[0] = status);
        await(outcome, "a commit");
    }
}
