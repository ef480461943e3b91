// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import dev.varve.vdi.Invariant;

import java.util.Set;

/**
 * A device that stands in front of exactly one other and passes on what it does not care about.
 *
 * <p>A filter may drop features of the next device, but not add any, and does not change the data
 * that is seen through it. What a subclass does not override is forwarded. Only a {@link
 * DeviceGraph} sets and changes what comes next.
 */
public abstract class BlockFilter implements BlockDevice {
    private BlockDevice next;
    private DeviceGraph graph;

    /** A filter that stands in front of nothing yet. */
    protected BlockFilter() {}

    /** The device behind this one. */
    protected final BlockDevice next() {
        return next;
    }

    final void setNext(DeviceGraph owner, BlockDevice device) {
        Invariant.check(device != this, "a filter does not follow itself");
        graph = owner;
        next = device;
    }

    /**
     * Says that the filter keeps a request back for longer than requests take: a drain does not
     * wait for it.
     */
    protected final void park() {
        graph.parked(1);
    }

    /** Says that a request that was parked goes on, or ends. */
    protected final void unpark() {
        graph.parked(-1);
    }

    /** Whether requests are held back now, so that one that is parked must not go on. */
    protected final boolean isHeldBack() {
        return graph.isHolding();
    }

    /**
     * The graph refuses requests from now on: a filter that keeps some back ends them. Nothing to
     * do for all others.
     */
    protected void cut() {}

    @Override
    public Geometry geometry() {
        return next.geometry();
    }

    @Override
    public Set<BlockFeature> features() {
        return next.features();
    }

    @Override
    public long lossEpoch() {
        return next.lossEpoch();
    }

    @Override
    public void submit(BlockRequest request) {
        next.submit(request);
    }

    /** Ends the filter's own work. The graph closes the device behind it. */
    @Override
    public void close() {}
}
