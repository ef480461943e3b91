// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Invariant;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A device with the filters in front of it. It owns the edges between them, checks every request
 * once, knows who uses the device for what, and can hold requests back while something is changed.
 *
 * <p><b>Invariants:</b> each filter has exactly one next device; a filter is only inserted or
 * removed while nothing is in flight; of two users each does only what the other shares.
 *
 * <p><b>Threads:</b> requests, filters and draining on the lane's thread; users from any thread.
 */
public final class DeviceGraph implements BlockDevice {
    /** Told how a drain ended. */
    @FunctionalInterface
    public interface DrainListener {
        /**
         * @param drained true when nothing is in flight, false when the deadline came first;
         *     requests are held back in both cases until {@link DeviceGraph#resume()}
         */
        void drained(boolean drained);
    }

    private record Use(Set<NodePermission> does, Set<NodePermission> shares) {}

    private final BlockDevice base;
    private final List<BlockFilter> filters = new ArrayList<>();
    private final Map<String, Use> users = new LinkedHashMap<>();
    private final BlockCompletion finished = this::finished;
    private final LaneTimer drainDeadline = new LaneTimer(() -> endDrain(false));

    private volatile boolean mayRead;
    private volatile boolean mayWrite;
    private BlockDevice top;
    private int inFlight;
    private int parked;
    private final AtomicLong finishedCount = new AtomicLong();
    private boolean holding;
    private boolean cut;
    private BlockRequest heldFirst;
    private BlockRequest heldLast;
    private DrainListener drainListener;

    /** A graph of one device. */
    public DeviceGraph(BlockDevice base) {
        this.base = base;
        this.top = base;
    }

    /**
     * Registers a user.
     *
     * @param does what it does with the device
     * @param shares what it lets others do meanwhile
     * @throws dev.varve.vdi.StorageException SR_VDI_IN_USE when another user is in the way
     */
    public synchronized void addUser(
            String name, Set<NodePermission> does, Set<NodePermission> shares) {
        users.forEach(
                (other, use) -> {
                    if (!use.shares.containsAll(does) || !shares.containsAll(use.does)) {
                        throw ErrorCode.SR_VDI_IN_USE.because(
                                "%s wants to %s, but %s uses it to %s"
                                        .formatted(name, does, other, use.does));
                    }
                });
        Invariant.check(!users.containsKey(name), "a user of a device is registered once");
        users.put(name, new Use(Set.copyOf(does), Set.copyOf(shares)));
        updatePermissions();
    }

    /** Removes a user. */
    public synchronized void removeUser(String name) {
        users.remove(name);
        updatePermissions();
    }

    private void updatePermissions() {
        Set<NodePermission> does = EnumSet.noneOf(NodePermission.class);
        users.values().forEach(use -> does.addAll(use.does));
        mayRead = does.contains(NodePermission.READ);
        mayWrite = does.contains(NodePermission.WRITE);
    }

    @Override
    public Geometry geometry() {
        return top.geometry();
    }

    @Override
    public Set<BlockFeature> features() {
        return top.features();
    }

    @Override
    public long lossEpoch() {
        return top.lossEpoch();
    }

    @Override
    public void submit(BlockRequest request) {
        IoStatus refusal = refusal(request);
        if (refusal != IoStatus.OK) {
            request.complete(refusal);
        } else if (holding) {
            hold(request);
        } else {
            start(request);
        }
    }

    /** Why a request cannot be passed on, or OK. */
    private IoStatus refusal(BlockRequest request) {
        if (cut) {
            return IoStatus.CANCELLED;
        }
        if (request.op == BlockOp.FLUSH) {
            return IoStatus.OK;
        }
        Geometry geometry = top.geometry();
        if (request.offset < 0
                || request.length <= 0
                || request.length > geometry.sizeBytes() - request.offset
                || !geometry.isAligned(request.offset, request.length)) {
            return IoStatus.INVALID;
        }
        if (request.op.changes()) {
            return mayWrite && top.features().contains(BlockFeature.WRITE)
                    ? featureRefusal(request)
                    : IoStatus.READ_ONLY;
        }
        return mayRead ? featureRefusal(request) : IoStatus.INVALID;
    }

    private IoStatus featureRefusal(BlockRequest request) {
        Set<BlockFeature> features = top.features();
        boolean able =
                switch (request.op) {
                    case READ, FLUSH -> true;
                    case WRITE ->
                            !request.has(BlockRequest.FUA) || features.contains(BlockFeature.FUA);
                    case DISCARD -> features.contains(BlockFeature.DISCARD);
                    case WRITE_ZEROES -> features.contains(BlockFeature.WRITE_ZEROES);
                    case EXTENTS -> features.contains(BlockFeature.EXTENTS);
                };
        return able ? IoStatus.OK : IoStatus.NOT_SUPPORTED;
    }

    private void start(BlockRequest request) {
        inFlight++;
        request.push(finished);
        top.submit(request);
    }

    private void finished(BlockRequest request) {
        inFlight--;
        finishedCount.lazySet(finishedCount.getPlain() + 1);
        request.complete(request.status);
        endDrainIfIdle();
    }

    private void endDrainIfIdle() {
        if (inFlight == parked && drainListener != null) {
            endDrain(true);
        }
    }

    /** A filter keeps more, or fewer, requests back. */
    void parked(int change) {
        parked += change;
        endDrainIfIdle();
    }

    /** Whether requests are held back. */
    boolean isHolding() {
        return holding;
    }

    private void hold(BlockRequest request) {
        request.next = null;
        if (heldFirst == null) {
            heldFirst = request;
        } else {
            heldLast.next = request;
        }
        heldLast = request;
    }

    /**
     * How many requests have ended so far; it stands still while the device is stuck. Any thread.
     */
    public long finishedCount() {
        return finishedCount.get();
    }

    /**
     * How many requests are on their way: those that a filter keeps back are counted, held ones
     * not.
     */
    public int inFlight() {
        return inFlight;
    }

    /**
     * Holds new requests back and waits until those on their way are done, or are parked with a
     * filter, which lets none of them go on before {@link #resume()}.
     *
     * @param timeoutNanos how long to wait at the most
     */
    public void drain(IoContext context, long timeoutNanos, DrainListener listener) {
        Invariant.check(drainListener == null, "one drain at a time");
        holding = true;
        drainListener = listener;
        if (inFlight == parked) {
            endDrain(true);
        } else {
            context.schedule(drainDeadline, timeoutNanos);
        }
    }

    /** Holds new requests back until {@link #resume()}, whatever is on its way. */
    public void hold() {
        Invariant.check(drainListener == null, "a drain and a hold exclude each other");
        holding = true;
    }

    private void endDrain(boolean drained) {
        DrainListener listener = drainListener;
        if (listener != null) {
            drainListener = null;
            drainDeadline.cancel();
            listener.drained(drained);
        }
    }

    /**
     * Ends a drain, if there is one, and lets held requests go on in the order in which they came.
     */
    public void resume() {
        drainListener = null;
        drainDeadline.cancel();
        letHeldGo();
    }

    private void letHeldGo() {
        holding = false;
        BlockRequest request = heldFirst;
        heldFirst = null;
        heldLast = null;
        while (request != null) {
            BlockRequest following = request.next;
            request.next = null;
            submit(request);
            request = following;
        }
    }

    /**
     * Refuses all requests from now on, held ones included, with {@link IoStatus#CANCELLED}. Those
     * that a filter keeps back end as the filter says.
     */
    public void cut() {
        cut = true;
        filters.forEach(BlockFilter::cut);
        letHeldGo();
    }

    /** Whether {@link #cut()} was called. */
    public boolean isCut() {
        return cut;
    }

    /** Puts a filter in front of all others. */
    public void insert(BlockFilter filter) {
        Invariant.check(inFlight == 0, "a filter is inserted while nothing is in flight");
        filters.addFirst(filter);
        relink();
    }

    /** Takes a filter out; its owner closes it. */
    public void remove(BlockFilter filter) {
        Invariant.check(inFlight == 0, "a filter is removed while nothing is in flight");
        Invariant.check(filters.remove(filter), "a filter that is removed was there");
        relink();
    }

    private void relink() {
        BlockDevice behind = base;
        for (BlockFilter filter : filters.reversed()) {
            filter.setNext(this, behind);
            behind = filter;
        }
        top = behind;
    }

    /** Closes the filters, front to back, and the device. */
    @Override
    public void close() {
        filters.forEach(BlockFilter::close);
        base.close();
    }
}
