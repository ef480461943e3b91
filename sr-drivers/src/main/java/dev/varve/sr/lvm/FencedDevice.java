// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.LaneTimer;

import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/**
 * The data path of disks on a device that other hosts use as well. While the fence of this host is
 * closed, requests are held; they go on when it opens again, and fail when this host is out for
 * good or after {@link #HOLD_NANOS}.
 *
 * <p>The fence is asked for each request and not only listened to, because a process that stood
 * still may run this code before anybody has told it what time it is.
 *
 * <p><b>Threads:</b> as any device; {@link #guard} from any.
 */
final class FencedDevice implements BlockDevice {
    /** How long requests are held at most, as long as those that wait for the device itself. */
    static final long HOLD_NANOS = TimeUnit.MINUTES.toNanos(2);

    private final BlockDevice next;
    private final Map<IoContext, Held> held = new ConcurrentHashMap<>();
    private volatile HostFence fence;

    FencedDevice(BlockDevice next) {
        this.next = next;
    }

    /** Looks at a fence from now on. */
    void guard(HostFence by) {
        by.onFence(_ -> held.forEach((lane, those) -> lane.execute(those::lookAgain)));
        fence = by;
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
        HostFence now = fence;
        if (now == null || !now.isFenced()) {
            next.submit(request);
        } else if (now.isLost()) {
            request.complete(IoStatus.IO_ERROR);
        } else {
            held.computeIfAbsent(request.context, Held::new).add(request);
        }
    }

    /** Nothing: the device below belongs to the medium. */
    @Override
    public void close() {}

    /** What one lane holds, in the order in which it came. */
    private final class Held {
        private final IoContext lane;
        private final LaneTimer end = new LaneTimer(this::failAll);
        private BlockRequest first;
        private BlockRequest last;

        Held(IoContext lane) {
            this.lane = lane;
        }

        void add(BlockRequest request) {
            boolean none = first == null;
            request.next = null;
            if (none) {
                first = request;
            } else {
                last.next = request;
            }
            last = request;
            if (none && !end.isScheduled()) {
                lane.schedule(end, HOLD_NANOS);
                // It may have opened before anybody knew that something waits here.
                lane.execute(this::lookAgain);
            }
        }

        /** Requests that are held once more come to the end of a new list. */
        void lookAgain() {
            if (first == null || (fence.isFenced() && !fence.isLost())) {
                return;
            }
            end.cancel();
            BlockRequest request = takeAll();
            while (request != null) {
                BlockRequest following = request.next;
                request.next = null;
                submit(request);
                request = following;
            }
        }

        private void failAll() {
            BlockRequest request = takeAll();
            while (request != null) {
                BlockRequest following = request.next;
                request.next = null;
                request.complete(IoStatus.TIMED_OUT);
                request = following;
            }
        }

        private BlockRequest takeAll() {
            BlockRequest all = first;
            first = null;
            last = null;
            return all;
        }
    }
}
