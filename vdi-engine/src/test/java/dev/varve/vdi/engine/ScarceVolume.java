// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeId;

import java.util.BitSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntPredicate;

/**
 * A file of a file system that may have no room: what is written where nothing was before takes a
 * page of 4096 bytes, and the test says which attempt to take one fails.
 */
final class ScarceVolume implements StoreVolume {
    private static final int PAGE = 4096;

    private final StoreVolume file;
    private final BitSet taken = new BitSet();
    private final AtomicInteger attempts = new AtomicInteger();
    private volatile IntPredicate refused = attempt -> false;
    private volatile int refusals;

    /** A volume all of whose bytes have their room. */
    ScarceVolume(StoreVolume file) {
        this.file = file;
        taken.set(0, (int) ((file.device().geometry().sizeBytes() + PAGE - 1) / PAGE));
    }

    /** Refuses those attempts to take room whose numbers the test says. */
    void refuse(IntPredicate which) {
        refused = which;
    }

    int refusals() {
        return refusals;
    }

    private synchronized boolean isRefused() {
        boolean is = refused.test(attempts.incrementAndGet());
        refusals += is ? 1 : 0;
        return is;
    }

    /** Goes right in front of the volume. */
    BlockFilter filter() {
        return new BlockFilter() {
            @Override
            public void submit(BlockRequest request) {
                if (takesRoom(request) && isRefused()) {
                    request.complete(IoStatus.NO_SPACE);
                    return;
                }
                note(request);
                next().submit(request);
            }
        };
    }

    private synchronized boolean takesRoom(BlockRequest request) {
        boolean writes =
                request.op == BlockOp.WRITE
                        || (request.op == BlockOp.WRITE_ZEROES
                                && request.has(BlockRequest.NO_HOLE));
        return writes && taken.nextClearBit(first(request)) < end(request);
    }

    private synchronized void note(BlockRequest request) {
        if (takesRoom(request)) {
            taken.set(first(request), end(request));
        } else if (request.op == BlockOp.DISCARD || request.op == BlockOp.WRITE_ZEROES) {
            int first = (int) ((request.offset + PAGE - 1) / PAGE);
            int end = (int) ((request.offset + request.length) / PAGE);
            if (first < end && !request.has(BlockRequest.NO_HOLE)) {
                taken.clear(first, end);
            }
        }
    }

    private static int first(BlockRequest request) {
        return (int) (request.offset / PAGE);
    }

    private static int end(BlockRequest request) {
        return (int) ((request.offset + request.length + PAGE - 1) / PAGE);
    }

    @Override
    public VolumeId id() {
        return file.id();
    }

    @Override
    public BlockDevice device() {
        return file.device();
    }

    @Override
    public CompletionStage<Long> grow(long sizeBytes) {
        return isRefused()
                ? CompletableFuture.failedStage(ErrorCode.SR_NO_SPACE.because("it is full"))
                : file.grow(sizeBytes);
    }

    @Override
    public void shrink(long sizeBytes) {
        file.shrink(sizeBytes);
        synchronized (this) {
            int end = (int) ((sizeBytes + PAGE - 1) / PAGE);
            taken.clear(end, Math.max(end, taken.length()));
        }
    }

    @Override
    public void close() {
        file.close();
    }
}
