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

    /** A filter that stands in front of nothing yet. */
    protected BlockFilter() {}

    /** The device behind this one. */
    protected final BlockDevice next() {
        return next;
    }

    final void setNext(BlockDevice device) {
        Invariant.check(device != this, "a filter does not follow itself");
        next = device;
    }

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
