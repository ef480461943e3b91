// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.Invariant;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.Geometry;
import dev.varve.vdi.block.IoStatus;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.random.RandomGenerator;

/**
 * A medium with a volatile cache, a queue that completes requests in any order, and a power cord.
 *
 * <p><b>Invariants:</b> a completed change is visible to every later read. A flush makes durable
 * what completed before the flush was submitted, and nothing else is promised; a write with FUA
 * makes itself durable. Changes of the size are kept in order, as a file system's journal keeps
 * them, or are durable at once, where the store commits them.
 *
 * <p>Behind a {@link SimServer} it may be restarted and forget what was not flushed. Requests that
 * were on their way are carried out again later, whether they had been carried out or not.
 *
 * <p><b>Threads:</b> one.
 */
public final class SimDisk implements BlockDevice {
    /** A change that was not promised to be durable, or stands behind one that was not. */
    private static final class Change {
        final long offset;
        final long length;

        /** What was written; null for zeros. */
        final byte[] data;

        /** For a change of the size; else negative. */
        final long newSize;

        /** How many had completed when it did, itself included. */
        long completedAs;

        boolean durable;

        Change(long offset, long length, byte[] data, long newSize) {
            this.offset = offset;
            this.length = length;
            this.data = data;
            this.newSize = newSize;
        }

        boolean isResize() {
            return newSize >= 0;
        }

        /** The part of it that lies before the given size. */
        Change before(long sizeBytes) {
            long rest = Math.min(length, sizeBytes - offset);
            byte[] part = data == null ? null : Arrays.copyOf(data, (int) rest);
            Change change = new Change(offset, rest, part, -1);
            change.durable = durable;
            change.completedAs = completedAs;
            return change;
        }
    }

    /** What there is of a medium that nobody uses: what is safe, and what is only cached. */
    static final class Left {
        private final SimContent durable;
        private final List<Change> cached;

        private Left(SimContent durable, List<Change> cached) {
            this.durable = durable;
            this.cached = cached;
        }

        /** A medium all of whose bytes are safe. */
        Left(SimContent durable) {
            this(durable, List.of());
        }

        /** How large it is; behind a server sizes are safe at once. */
        long sizeBytes() {
            return durable.sizeBytes();
        }

        /** What a reader would see. */
        SimContent content() {
            SimContent content = durable.copy();
            cached.forEach(change -> apply(change, content));
            return content;
        }
    }

    private final SimBackend backend;
    private final RandomGenerator random;
    private final FaultPlan plan;
    private final Trace trace;

    /** What a read sees. */
    private final SimContent content;

    /** What is left when the power goes off and no change was lucky. */
    private final SimContent durable;

    /** What completed and is not in {@link #durable}, in the order of completion. */
    private final ArrayDeque<Change> cached = new ArrayDeque<>();

    private final List<Change> inFlight = new ArrayList<>();
    private final SimServer server;
    private Geometry geometry;
    private long shownEpoch;
    private int restarts;
    private long completions;
    private long watchedFrom;
    private long watchedTo;

    /** A medium that holds the given bytes, durably. */
    SimDisk(
            SimBackend backend,
            RandomGenerator random,
            FaultPlan plan,
            Trace trace,
            SimContent durable) {
        this(backend, random, plan, trace, new Left(durable), SimServer.NONE);
    }

    /** A medium as somebody has left it. */
    SimDisk(
            SimBackend backend,
            RandomGenerator random,
            FaultPlan plan,
            Trace trace,
            Left left,
            SimServer server) {
        this.backend = backend;
        this.random = random;
        this.plan = plan;
        this.trace = trace;
        this.server = server;
        this.durable = left.durable;
        this.content = left.content();
        left.cached.forEach(this::cache);
        this.shownEpoch = server.epoch();
        this.geometry =
                new Geometry(
                        content.sizeBytes(),
                        plan.sectorBytes(),
                        Math.max(4096, plan.sectorBytes()),
                        plan.memoryAlignmentBytes());
    }

    @Override
    public Geometry geometry() {
        return geometry;
    }

    @Override
    public Set<BlockFeature> features() {
        return EnumSet.complementOf(EnumSet.of(BlockFeature.EXTENTS));
    }

    /** As whoever got the last reply knows it. */
    @Override
    public long lossEpoch() {
        return shownEpoch;
    }

    /** What reads see now. */
    public SimContent content() {
        return content;
    }

    /** Marks the moments at which a write to this range is done. */
    void watch(long from, long to) {
        watchedFrom = from;
        watchedTo = to;
    }

    @Override
    public void submit(BlockRequest request) {
        check(request);
        trace.add(request.op.ordinal(), request.offset, request.length);
        send(request);
    }

    private void send(BlockRequest request) {
        long delay = server.downNanos() + plan.delayNanos(random);
        switch (request.op) {
            case READ -> arrive(delay, request, () -> read(request));
            case FLUSH -> {
                long covers = completions;
                arrive(delay, request, () -> flushed(request, covers));
            }
            case WRITE -> {
                byte[] data = new byte[(int) request.length];
                copyOut(request, data);
                start(request, new Change(request.offset, request.length, data, -1), delay);
            }
            case WRITE_ZEROES ->
                    start(request, new Change(request.offset, request.length, null, -1), delay);
            case DISCARD -> {
                long length = random.nextBoolean() ? request.length : 0;
                start(request, new Change(request.offset, length, null, -1), delay);
            }
            case EXTENTS -> throw new SimulationFailure("extents were asked of a plain medium");
        }
    }

    /** Has it carried out, unless the server is restarted before: then it is sent again. */
    private void arrive(long delay, BlockRequest request, Runnable action) {
        int restartsBefore = restarts;
        backend.after(
                delay,
                () -> {
                    if (restarts == restartsBefore) {
                        action.run();
                    } else {
                        send(request);
                    }
                });
    }

    /** Tells of the end, unless the reply is lost: then it is carried out once more. */
    private void reply(BlockRequest request) {
        if (server.losesReply()) {
            send(request);
        } else {
            shownEpoch = server.epoch();
            request.complete(IoStatus.OK);
        }
    }

    private void check(BlockRequest request) {
        boolean misplaced =
                request.buffer != null && request.address() % geometry.memoryAlignmentBytes() != 0;
        boolean outside =
                request.op != BlockOp.FLUSH
                        && (request.offset < 0
                                || request.length <= 0
                                || request.offset + request.length > geometry.sizeBytes()
                                || !geometry.isAligned(request.offset, request.length));
        if (misplaced || outside) {
            throw new SimulationFailure("the medium of %s got %s".formatted(geometry, request));
        }
    }

    private static void copyOut(BlockRequest request, byte[] data) {
        MemorySegment.copy(
                request.buffer, ValueLayout.JAVA_BYTE, request.bufferOffset, data, 0, data.length);
    }

    private void read(BlockRequest request) {
        if (request.offset + request.length > content.sizeBytes()) {
            throw new SimulationFailure("the volume was cut off below " + request);
        }
        content.read(request.offset, request.buffer, request.bufferOffset, request.length);
        trace.add(16, request.offset, request.length);
        reply(request);
    }

    private void start(BlockRequest request, Change change, long delay) {
        for (Change other : inFlight) {
            if (plan.overlapIsAFinding()
                    && change.offset < other.offset + other.length
                    && other.offset < change.offset + change.length) {
                throw new SimulationFailure(
                        "%s overlaps a change at %d+%d that is in flight"
                                .formatted(request, other.offset, other.length));
            }
        }
        inFlight.add(change);
        arrive(delay, request, () -> changed(request, change));
    }

    private void changed(BlockRequest request, Change change) {
        if (request.op == BlockOp.WRITE) {
            byte[] now = new byte[change.data.length];
            copyOut(request, now);
            if (!Arrays.equals(now, change.data)) {
                throw new SimulationFailure("the memory of " + request + " changed in flight");
            }
        }
        inFlight.remove(change);
        boolean watched =
                request.op == BlockOp.WRITE
                        && request.offset < watchedTo
                        && watchedFrom < request.offset + request.length;
        boolean clears = watched && clearsEntry(change);
        apply(change, content);
        cache(change);
        if (request.has(BlockRequest.FUA)) {
            change.durable = true;
            cached.stream().filter(Change::isResize).forEach(resize -> resize.durable = true);
        }
        settle();
        trace.add(17, request.offset, request.length);
        if (watched) {
            backend.mark(SimBackend.Mark.WATCHED_WRITTEN);
        }
        if (clears) {
            backend.mark(SimBackend.Mark.WATCHED_CLEARED);
        }
        reply(request);
    }

    private void cache(Change change) {
        change.completedAs = ++completions;
        cached.add(change);
    }

    /** Whether four bytes that say something are followed by four that are all ones. */
    private boolean clearsEntry(Change change) {
        ByteBuffer before = ByteBuffer.wrap(content.read(change.offset, change.data.length));
        ByteBuffer after = ByteBuffer.wrap(change.data);
        boolean clears = false;
        while (after.remaining() >= Integer.BYTES) {
            boolean said = before.getInt() != -1;
            clears |= after.getInt() == -1 && said;
        }
        return clears;
    }

    private void flushed(BlockRequest request, long covers) {
        for (Change change : cached) {
            if (change.completedAs > covers) {
                break;
            }
            change.durable = true;
        }
        settle();
        trace.add(18, covers, 0);
        backend.mark(SimBackend.Mark.FLUSHED);
        reply(request);
    }

    /**
     * Durable changes leave the cache; those behind one that is not keep their place in the order.
     */
    private void settle() {
        Iterator<Change> oldest = cached.iterator();
        while (oldest.hasNext()) {
            Change change = oldest.next();
            if (!change.durable) {
                return;
            }
            apply(change, durable);
            oldest.remove();
        }
    }

    private static void apply(Change change, SimContent target) {
        if (change.isResize()) {
            target.resize(change.newSize);
        } else if (change.data == null) {
            target.zero(change.offset, change.length);
        } else {
            target.write(change.offset, change.data, 0, change.data.length);
        }
    }

    /**
     * Changes the size at once; durable like any other change, or at once where the plan says so.
     */
    void resize(long newSizeBytes) {
        resize(newSizeBytes, null);
    }

    /**
     * The same.
     *
     * @param found what new space holds, from the start of the medium on; null for zeros
     */
    void resize(long newSizeBytes, SimContent found) {
        Invariant.check(
                newSizeBytes % plan.sectorBytes() == 0, "a volume consists of whole sectors");
        for (Change change : inFlight) {
            if (change.offset + change.length > newSizeBytes) {
                throw new SimulationFailure("a volume is cut off below a change in flight");
            }
        }
        long oldSizeBytes = content.sizeBytes();
        trace.add(19, newSizeBytes, 0);
        content.resize(newSizeBytes);
        if (plan.sizesAreDurable()) {
            cutCached(newSizeBytes);
            durable.resize(newSizeBytes);
        } else {
            cache(new Change(0, 0, null, newSizeBytes));
        }
        if (found != null && newSizeBytes > oldSizeBytes) {
            content.copyFrom(found, oldSizeBytes, newSizeBytes);
            durable.copyFrom(found, oldSizeBytes, newSizeBytes);
        }
        geometry = geometry.withSize(newSizeBytes);
    }

    /** What was cut off does not come back when the medium grows again. */
    private void cutCached(long sizeBytes) {
        List<Change> all = List.copyOf(cached);
        cached.clear();
        for (Change change : all) {
            if (change.offset + change.length <= sizeBytes) {
                cached.add(change);
            } else if (change.offset < sizeBytes) {
                cached.add(change.before(sizeBytes));
            }
        }
    }

    /**
     * The server was restarted: of what was not flushed, and of what was on its way, it has what
     * was lucky.
     */
    void restart(RandomGenerator chance) {
        SimContent left = crash(chance);
        restarts++;
        content.become(left);
        durable.become(left);
        cached.clear();
        inFlight.clear();
    }

    /**
     * The host that used the medium is gone, and the server goes on: what had completed is to be
     * seen, and what was on its way may have come through or not.
     */
    Left leave(RandomGenerator chance) {
        List<Change> seen = new ArrayList<>(cached);
        for (Change change : inFlight) {
            if (chance.nextBoolean()) {
                seen.add(change);
            }
        }
        trace.add(21, content.sizeBytes(), seen.size());
        return new Left(durable, seen);
    }

    /** What is left of a medium when the server is restarted while nobody uses it. */
    static Left restarted(Left left, FaultPlan plan, RandomGenerator chance) {
        return new Left(crash(left.durable, left.cached, plan, chance));
    }

    /**
     * What is on the medium after the power went off now. Each change that was not promised is, by
     * itself, there, not there, or there in some of its sectors; of changes of the size the first
     * few are there.
     */
    SimContent crash(RandomGenerator chance) {
        List<Change> unsure = new ArrayList<>(cached);
        unsure.addAll(inFlight);
        SimContent left = crash(durable, unsure, plan, chance);
        trace.add(20, left.sizeBytes(), unsure.size());
        return left;
    }

    private static SimContent crash(
            SimContent durable, List<Change> unsure, FaultPlan plan, RandomGenerator chance) {
        SimContent left = durable.copy();
        int kept = chance.nextInt(3) == 0 ? 100 * chance.nextInt(2) : chance.nextInt(101);
        int torn = chance.nextInt(2) * chance.nextInt(101);
        boolean sizeChanges = true;
        for (Change change : unsure) {
            boolean lucky = change.durable || chance.nextInt(100) < kept;
            if (change.isResize()) {
                sizeChanges &= lucky;
                if (sizeChanges) {
                    apply(change, left);
                }
            } else if (change.durable) {
                apply(change, left);
            } else if (chance.nextInt(100) < torn) {
                tear(change, left, kept, plan.sectorBytes(), chance);
            } else if (lucky) {
                apply(change, left);
            }
        }
        return left;
    }

    private static void tear(
            Change change, SimContent target, int kept, int sector, RandomGenerator chance) {
        for (int at = 0; at < change.length; at += sector) {
            if (chance.nextInt(100) < kept) {
                if (change.data == null) {
                    target.zero(change.offset + at, sector);
                } else {
                    target.write(change.offset + at, change.data, at, sector);
                }
            }
        }
    }

    @Override
    public void close() {}
}
