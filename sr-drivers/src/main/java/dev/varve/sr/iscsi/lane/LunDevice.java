// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.iscsi.Portal;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.sr.scsi.Lun;
import dev.varve.sr.scsi.ScsiPort;
import dev.varve.sr.scsi.Sense;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Waiting;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A logical unit of an iSCSI target as a device, by one or several portals.
 *
 * <p>A lane that uses it for the first time gets sessions of its own, one for each portal, each
 * with its own ISID; from then on its requests go from it to the socket and back and cross no
 * thread. While no portal answers, requests wait; see {@link LunSettings#holdNanos}.
 *
 * <p><b>Durability:</b> as of {@link BlockDevice}. The cache of a target may be volatile, so {@link
 * #lossEpoch} rises when the unit says that it was switched on or reset, and when a lane that has
 * written had to log in again, since nothing else tells that the target was started anew meanwhile.
 *
 * <p><b>Threads:</b> requests on their lanes; everything else anywhere.
 */
public final class LunDevice implements BlockDevice {
    private static final Logger LOG = LoggerFactory.getLogger(LunDevice.class);
    private static final long CLOSE_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final int MEMORY_ALIGNMENT = 4;

    private final SessionSpec spec;
    private final List<Portal> portals;
    private final long lun;
    private final LunSettings settings;
    private final NexusLogin login;
    private final Clock clock;
    private final Waiting waiting;
    private final AtomicInteger nexuses = new AtomicInteger();
    private final AtomicLong losses = new AtomicLong(NO_LOSS + 1);
    private final Doubts doubts = new Doubts();
    private volatile LunLane[] lanes = new LunLane[0];
    private volatile LunShape shape;
    private volatile Geometry geometry;
    private volatile Set<BlockFeature> features;
    private volatile byte[] identity;
    private volatile long reservationKey;
    private volatile int lastAttention;
    private volatile boolean closed;

    /**
     * A device whose sessions begin when lanes use it.
     *
     * @param spec how to log in; its portal does not count, and of its ISID only the random part
     * @param portals where the target listens
     * @param lun the number of the unit
     * @param shape what the unit was found to be
     * @param login what logs in, on threads that may wait
     * @param waiting how those threads come about
     */
    public LunDevice(
            SessionSpec spec,
            List<Portal> portals,
            int lun,
            LunShape shape,
            LunSettings settings,
            NexusLogin login,
            Clock clock,
            Waiting waiting) {
        this.spec = spec;
        this.portals = List.copyOf(portals);
        this.lun = Lun.bytes(lun);
        this.settings = settings;
        this.login = login;
        this.clock = clock;
        this.waiting = waiting;
        if (portals.isEmpty()) {
            throw new IllegalArgumentException("a unit needs a portal");
        }
        take(shape);
    }

    private void take(LunShape newShape) {
        shape = newShape;
        int block = newShape.blockBytes();
        int physical = Math.max(block, newShape.physicalBlockBytes());
        geometry = new Geometry(newShape.sizeBytes(), block, physical, MEMORY_ALIGNMENT);
        Set<BlockFeature> can = EnumSet.noneOf(BlockFeature.class);
        if (newShape.writable()) {
            can.add(BlockFeature.WRITE);
            can.add(BlockFeature.FUA);
            can.add(BlockFeature.WRITE_ZEROES);
            if (newShape.unmapBlocks() > 0 || newShape.unmapsBySame()) {
                can.add(BlockFeature.DISCARD);
            }
        }
        features = Set.copyOf(can);
    }

    // ---- as a device

    @Override
    public Geometry geometry() {
        return geometry;
    }

    @Override
    public Set<BlockFeature> features() {
        return features;
    }

    @Override
    public long lossEpoch() {
        return losses.get();
    }

    @Override
    public void submit(BlockRequest request) {
        LunLane[] known = lanes;
        for (LunLane lane : known) {
            if (lane.context() == request.context) {
                lane.submit(request);
                return;
            }
        }
        open(request.context).submit(request);
    }

    /** The first request of a lane. */
    private synchronized LunLane open(IoContext context) {
        LunPath[] paths = new LunPath[portals.size()];
        LunLane lane = new LunLane(context, this, paths);
        for (int i = 0; i < paths.length; i++) {
            int number = nexuses.incrementAndGet();
            SessionSpec own = spec.as(spec.isid().qualified(number)).at(portals.get(i));
            paths[i] = new LunPath(lane, this, own);
        }
        LunLane[] more = Arrays.copyOf(lanes, lanes.length + 1);
        more[lanes.length] = lane;
        lanes = more;
        if (!closed) {
            lane.connect();
        }
        return lane;
    }

    /** Ends all sessions, in order as far as the target plays along. Not on a lane. */
    @Override
    public void close() {
        LunLane[] ending;
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
            ending = lanes;
        }
        List<CompletableFuture<Void>> ends = new ArrayList<>();
        for (LunLane lane : ending) {
            CompletableFuture<Void> end = new CompletableFuture<>();
            ends.add(end);
            lane.context().execute(() -> lane.close(() -> end.complete(null)));
        }
        CompletableFuture<Void> all =
                CompletableFuture.allOf(ends.toArray(CompletableFuture[]::new));
        try {
            waiting.await(all, CLOSE_NANOS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException e) {
            throw new IllegalStateException("a unit cannot be given up", e);
        } catch (TimeoutException e) {
            LOG.warn("sessions of {} stay open: a lane that used it does not answer", spec.name());
        }
    }

    // ---- for those who look after it

    /** How its paths are doing, one for each portal. */
    public List<PathHealth> paths() {
        LunLane[] known = lanes;
        List<PathHealth> all = new ArrayList<>();
        for (int i = 0; i < portals.size(); i++) {
            all.add(health(known, i));
        }
        return all;
    }

    private PathHealth health(LunLane[] known, int index) {
        PathState worst = PathState.UP;
        int up = 0;
        long errors = 0;
        long since = 0;
        String lastError = "";
        for (LunLane lane : known) {
            LunPath.Health one = lane.paths()[index].health();
            up += one.state() == PathState.UP ? 1 : 0;
            worst = one.state().compareTo(worst) > 0 ? one.state() : worst;
            errors += one.errors();
            since = Math.max(since, one.sinceMillis());
            lastError = one.lastError().isEmpty() ? lastError : one.lastError();
        }
        return new PathHealth(
                portals.get(index),
                known.length == 0 ? PathState.DOWN : worst,
                known.length,
                up,
                errors,
                since,
                lastError);
    }

    /**
     * A way through each session that carries commands now, for commands that the device knows
     * nothing of. Its users wait, so they are not lanes.
     */
    public List<ScsiPort> ports() {
        List<ScsiPort> ports = new ArrayList<>();
        for (LunLane lane : lanes) {
            for (LunPath path : lane.paths()) {
                if (path.health().state() == PathState.UP) {
                    ports.add(new PathPort(lane, path, spec.name(), waiting));
                }
            }
        }
        return ports;
    }

    /** Asks for the size of the unit again, on a lane; it shows in the geometry soon. */
    void measureAgain(IoContext context) {
        for (LunLane lane : lanes) {
            if (lane.context() == context) {
                lane.attention(Sense.CAPACITY_CHANGED);
            }
        }
    }

    /** The number of the unit has this form on the wire. */
    long lun() {
        return lun;
    }

    /** What it is now. */
    public LunShape shape() {
        return shape;
    }

    /** Registers a key on every nexus that is made from now on, before it is used; 0 for none. */
    public void useKey(long key) {
        reservationKey = key;
    }

    long reservationKey() {
        return reservationKey;
    }

    /**
     * The last thing that the unit has told: additional sense code and qualifier, 0 for nothing.
     */
    public int lastAttention() {
        return lastAttention;
    }

    void noteAttention(int senseCode) {
        lastAttention = senseCode;
    }

    LunSettings settings() {
        return settings;
    }

    NexusLogin login() {
        return login;
    }

    Clock clock() {
        return clock;
    }

    Waiting waiting() {
        return waiting;
    }

    boolean isClosed() {
        return closed;
    }

    /** Writes that no flush has covered may be gone. */
    void raiseLoss() {
        losses.incrementAndGet();
    }

    /** The changes in doubt of all lanes. */
    Doubts doubts() {
        return doubts;
    }

    /** Has the other lanes go on with what waited for changes in doubt. */
    void doubtsEnded(LunLane teller) {
        for (LunLane lane : lanes) {
            if (lane != teller) {
                lane.context().execute(lane::unblock);
            }
        }
    }

    /** Whether this is the unit that was found first. */
    synchronized boolean isUnit(byte[] found) {
        if (identity == null) {
            identity = found;
        }
        return Arrays.equals(identity, found);
    }

    /** Takes in a size; false when it cannot be that of this unit. */
    synchronized boolean measured(long blocks, int blockBytes) {
        if (blocks < 0 || blockBytes != shape.blockBytes()) {
            return false;
        }
        if (blocks != shape.blocks()) {
            take(shape.withBlocks(blocks));
        }
        return true;
    }

    /** The unit does not know WRITE SAME (16). */
    synchronized void forgetWriteSame() {
        take(shape.withoutWriteSame());
    }
}
