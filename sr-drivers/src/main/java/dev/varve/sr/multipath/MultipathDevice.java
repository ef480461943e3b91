// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

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
import java.util.concurrent.Executor;

/**
 * Several paths to one LUN as one device. Requests take the paths in turn. One that fails for its
 * path goes on over another one, from its beginning; see {@link PathErrors} for why the first
 * cannot still be carried out. When no path is left requests are held, in the order in which they
 * came, and go on when there is one again, or fail after a time.
 *
 * <p>A request that has failed on so many paths that cannot all be bad is one that the LUN itself
 * will not do, and fails.
 *
 * <p><b>Threads:</b> any lanes may share it. Each holds its own requests.
 *
 * <p><b>Durability:</b> a flush over one path covers what was written over any: the cache is the
 * LUN's. Whether it was lost while no path was there cannot be told, so {@link #lossEpoch()} then
 * changes, unless the LUN has no cache that it could lose.
 */
final class MultipathDevice implements BlockDevice {
    private static final int MOST_ATTEMPTS = 10;

    private final PathSet paths;
    private final PathTrouble trouble;
    private final Executor closer;
    private final Map<IoContext, Held> held = new ConcurrentHashMap<>();
    private volatile Geometry geometry;
    private final Set<BlockFeature> features;
    private final boolean cached;

    /** Told, on a lane, that a path has failed, so that somebody looks at it soon. */
    interface PathTrouble {
        void failed(DiskPath path);
    }

    /**
     * @param cached whether what was written and not flushed may be lost without this host
     */
    MultipathDevice(
            PathSet paths,
            PathTrouble trouble,
            Executor closer,
            Geometry geometry,
            Set<BlockFeature> features,
            boolean cached) {
        this.paths = paths;
        this.closer = closer;
        this.trouble = trouble;
        this.geometry = geometry;
        this.features = Set.copyOf(features);
        this.cached = cached;
        paths.listen(this::wake);
    }

    @Override
    public Geometry geometry() {
        return geometry;
    }

    /** The LUN has changed its size. */
    void resize(Geometry newGeometry) {
        geometry = newGeometry;
    }

    @Override
    public Set<BlockFeature> features() {
        return features;
    }

    /** {@link #NO_LOSS} for a LUN without a cache, and never otherwise. */
    @Override
    public long lossEpoch() {
        return cached ? paths.epoch() : NO_LOSS;
    }

    // ---- requests

    @Override
    public void submit(BlockRequest request) {
        request.pending = 0;
        start(request);
    }

    private void start(BlockRequest request) {
        DiskPath path = paths.take();
        if (path == null) {
            held.computeIfAbsent(request.context, Held::new).add(request);
            return;
        }
        request.push(path.completion());
        path.device().submit(request);
    }

    /** A request has ended on a path. */
    void ended(DiskPath path, BlockRequest request) {
        IoStatus status = request.status;
        String blame = path.blame(request);
        if (blame != null && path.isHealthy()) {
            paths.fail(path, blame);
            trouble.failed(path);
        }
        path.leave(closer);
        if (blame == null || ++request.pending >= MOST_ATTEMPTS) {
            request.complete(status);
        } else {
            start(request);
        }
    }

    private void wake() {
        for (Held requests : held.values()) {
            requests.context.execute(requests::goOn);
        }
    }

    /** The requests of a lane that wait for a path. Its thread only. */
    private final class Held {
        private final IoContext context;
        private final LaneTimer timer = new LaneTimer(this::look);
        private BlockRequest first;
        private BlockRequest last;

        Held(IoContext context) {
            this.context = context;
        }

        void add(BlockRequest request) {
            long patience = paths.patienceNanos();
            if (patience <= 0) {
                request.complete(IoStatus.IO_ERROR);
                return;
            }
            request.next = null;
            if (first == null) {
                first = request;
            } else {
                last.next = request;
            }
            last = request;
            if (patience != Long.MAX_VALUE && !timer.isScheduled()) {
                context.schedule(timer, patience);
            }
            if (paths.isUsable()) {
                // A path came between the look and the wait, and may have woken nobody.
                context.execute(this::goOn);
            }
        }

        private BlockRequest takeAll() {
            BlockRequest request = first;
            first = null;
            last = null;
            return request;
        }

        private void goOn() {
            if (paths.isUsable()) {
                timer.cancel();
                for (BlockRequest request = takeAll(); request != null; ) {
                    BlockRequest following = request.next;
                    request.next = null;
                    start(request);
                    request = following;
                }
            }
        }

        /** Their time is over, unless paths have come and gone meanwhile. */
        private void look() {
            if (first == null) {
                return;
            }
            long patience = paths.patienceNanos();
            if (paths.isUsable()) {
                goOn();
            } else if (patience > 0) {
                context.schedule(timer, patience);
            } else {
                fail();
            }
        }

        private void fail() {
            for (BlockRequest request = takeAll(); request != null; ) {
                BlockRequest following = request.next;
                request.next = null;
                request.complete(IoStatus.IO_ERROR);
                request = following;
            }
        }
    }

    /** The paths are closed by their owner. */
    @Override
    public void close() {}
}
