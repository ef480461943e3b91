// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.filter;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.LaneTimer;

import java.util.concurrent.TimeUnit;

/**
 * Makes a full store a state of a disk and not a failure: what ends for want of room is kept back
 * and tried again, from its beginning, until there is room.
 *
 * <p>One request is the first to be tried, when somebody made room or a while has passed; when it
 * succeeds all others follow in the order in which they came. What needs no room passes by
 * meanwhile: reads, and writes to places that are there. That breaks no order, since a request that
 * waits has not ended, and requests that are on their way together have none. A flush whose
 * metadata found no room waits in the same way.
 *
 * <p>Nothing is kept back any more when the disk is taken away or its store says so; what was then
 * fails with {@link IoStatus#NO_SPACE}.
 *
 * <p><b>Threads:</b> the lane's only, except {@link #wake}.
 */
public final class RoomFilter extends BlockFilter {
    private static final long FIRST_DELAY_NANOS = TimeUnit.MILLISECONDS.toNanos(20);
    private static final long LAST_DELAY_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final RoomWatch watch;
    private final BlockCompletion ended = this::ended;
    private final BlockCompletion tried = this::tried;
    private final LaneTimer timer = new LaneTimer(this::tryFirst);
    private volatile IoContext context;
    private BlockRequest first;
    private BlockRequest last;
    private long delayNanos = FIRST_DELAY_NANOS;
    private boolean trying;
    private boolean over;

    /**
     * @param watch what the disks of the store have in common
     */
    public RoomFilter(RoomWatch watch) {
        this.watch = watch;
    }

    @Override
    public void submit(BlockRequest request) {
        if (request.op.changes() || request.op == BlockOp.FLUSH) {
            request.push(ended);
        }
        next().submit(request);
    }

    private void ended(BlockRequest request) {
        if (request.status == IoStatus.NO_SPACE && waits()) {
            keep(request);
        } else {
            request.complete(request.status);
        }
    }

    private boolean waits() {
        return !over && watch.whenFull() == RoomWatch.WhenFull.WAIT;
    }

    private void keep(BlockRequest request) {
        context = request.context;
        request.next = null;
        if (first == null) {
            first = request;
        } else {
            last.next = request;
        }
        last = request;
        park();
        watch.counts(1, true);
        watch.begins(this);
        tryLater();
    }

    private void tryLater() {
        if (!trying && !timer.isScheduled()) {
            context.schedule(timer, delayNanos);
        }
    }

    /** There may be room. Any thread. */
    void wake() {
        IoContext lane = context;
        if (lane != null) {
            lane.execute(this::tryNow);
        }
    }

    private void tryNow() {
        delayNanos = FIRST_DELAY_NANOS;
        timer.cancel();
        tryFirst();
    }

    private void tryFirst() {
        if (first == null || trying) {
            return;
        }
        if (!waits()) {
            failAll();
        } else if (isHeldBack()) {
            tryLater();
        } else {
            trying = true;
            BlockRequest request = take();
            request.push(tried);
            next().submit(request);
        }
    }

    /** The first one leaves; it counts as waiting until all is over. */
    private BlockRequest take() {
        BlockRequest request = first;
        first = request.next;
        request.next = null;
        unpark();
        return request;
    }

    private void tried(BlockRequest request) {
        trying = false;
        if (request.status == IoStatus.NO_SPACE && waits()) {
            request.next = first;
            last = first == null ? request : last;
            first = request;
            park();
            delayNanos = Math.min(2 * delayNanos, LAST_DELAY_NANOS);
            tryLater();
            return;
        }
        delayNanos = FIRST_DELAY_NANOS;
        watch.counts(-1, false);
        letAllGo();
        request.complete(request.status);
    }

    /** Those for which there is no room once more come back to the end of the list. */
    private void letAllGo() {
        BlockRequest end = last;
        boolean more = first != null;
        while (more) {
            more = first != end;
            BlockRequest request = take();
            watch.counts(-1, false);
            submit(request);
        }
        if (first == null) {
            watch.ends(this);
        }
    }

    private void failAll() {
        while (first != null) {
            BlockRequest request = take();
            watch.counts(-1, false);
            request.complete(IoStatus.NO_SPACE);
        }
        watch.ends(this);
    }

    @Override
    protected void cut() {
        over = true;
        failAll();
    }
}
