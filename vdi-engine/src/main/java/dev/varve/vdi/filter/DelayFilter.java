// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.filter;

import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.LaneTimer;

import java.util.Set;

/** Passes requests of some kinds on after a while. */
public final class DelayFilter extends BlockFilter {
    private final Set<BlockOp> ops;
    private final long delayNanos;

    /**
     * @param ops which requests are held up
     * @param delayNanos for how long
     */
    public DelayFilter(Set<BlockOp> ops, long delayNanos) {
        this.ops = Set.copyOf(ops);
        this.delayNanos = delayNanos;
    }

    @Override
    public void submit(BlockRequest request) {
        if (ops.contains(request.op)) {
            LaneTimer timer = new LaneTimer(() -> next().submit(request));
            request.context.schedule(timer, delayNanos);
        } else {
            next().submit(request);
        }
    }
}
