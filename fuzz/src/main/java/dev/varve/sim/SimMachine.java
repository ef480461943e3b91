// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.Operation;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.image.MetadataBudget;
import dev.varve.vdi.time.Waiting;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.random.RandomGenerator;

/**
 * The lanes of a host from power-on to power-off, and all that waits for them, on one thread:
 * whoever waits runs the lanes until the wait is over, and what is to be done beside that is done
 * between two turns.
 *
 * <p>When the power goes off, every wait ends with a {@link PowerLoss}, and so does each that is
 * begun later: what still runs comes to nothing.
 *
 * <p><b>Threads:</b> one, which is also the lanes'.
 */
final class SimMachine implements Waiting, AutoCloseable {
    private static final int READ_BYTES = 1 << 20;
    private static final int MOST_TURNS = 1_000_000;
    private static final long LONGEST_IDLE_NANOS = 1_000_000_000;
    private static final int STALL_ONE_IN = 40;
    private static final long LONGEST_STALL_NANOS = 5_000_000;

    private final SimClock clock;
    private final SimBackend backend;
    private final EngineContext context;
    private final MetadataBudget metadata;
    private final List<Lane> lanes = new ArrayList<>();
    private final Arena arena = Arena.ofConfined();
    private final ArrayDeque<Runnable> beside = new ArrayDeque<>();
    private final RandomGenerator stalls;
    private MemorySegment readBuffer;
    private Lane stalled;
    private long stalledUntil;

    /** In the last turn every lane ran and none had anything to do. */
    private boolean quiet;

    private Runnable users = () -> {};
    private Throwable trouble;

    /**
     * @param stalls when a lane does not come to its tasks for a while, or null when never
     */
    SimMachine(SimClock clock, int laneCount, long metadataBytes, RandomGenerator stalls) {
        this.clock = clock;
        this.stalls = stalls;
        backend = new SimBackend(clock);
        metadata = new MetadataBudget(metadataBytes);
        context =
                new EngineContext(
                        laneCount,
                        64,
                        16,
                        8 << 20,
                        metadataBytes,
                        1,
                        EngineContext.Backend.AUTO,
                        clock,
                        (name, thrown) -> trouble = trouble == null ? thrown : trouble,
                        this);
        for (int i = 0; i < laneCount; i++) {
            Lane lane = new Lane("simulated-" + i, backend, context, metadata);
            lanes.add(lane);
            lane.doWork(); // makes this thread the lane's
        }
    }

    SimClock clock() {
        return clock;
    }

    SimBackend backend() {
        return backend;
    }

    EngineContext context() {
        return context;
    }

    MetadataBudget metadata() {
        return metadata;
    }

    List<Lane> lanes() {
        return lanes;
    }

    /** An operation without a deadline. */
    Operation operation() {
        return Operation.unbounded("simulate", clock);
    }

    /** Has something done between two turns from now on, which must not wait. */
    void betweenTurns(Runnable work) {
        users = work;
    }

    /** Memory that lives as long as the machine. */
    MemorySegment allocate(long bytes) {
        return arena.allocate(Math.max(1, bytes), 4096);
    }

    /** A mebibyte for whoever reads and looks at what was read before anybody else reads. */
    MemorySegment readBuffer() {
        if (readBuffer == null) {
            readBuffer = allocate(READ_BYTES);
        }
        return readBuffer;
    }

    // ---- time

    /** Runs the lanes until something has happened. */
    void runUntil(BooleanSupplier happened) {
        for (int turns = 0; !happened.getAsBoolean(); turns++) {
            if (turns == MOST_TURNS) {
                throw new SimulationFailure("the lane works and works and does not come to an end");
            }
            turn();
            if (isStill() && !happened.getAsBoolean()) {
                throw new SimulationFailure("something waits for nothing: a request was lost");
            }
        }
    }

    private boolean isStill() {
        return quiet
                && backend.inFlight() == 0
                && beside.isEmpty()
                && lanes.stream().allMatch(lane -> lane.nextTimerNanos() == Long.MAX_VALUE);
    }

    /** Lets time go by. */
    void runFor(long nanos) {
        boolean[] over = new boolean[1];
        backend.after(nanos, () -> over[0] = true);
        runUntil(() -> over[0]);
    }

    /** One turn of each lane, and a jump of the clock when there was nothing to do. */
    void turn() {
        turn(LONGEST_IDLE_NANOS);
    }

    private void turn(long longestIdleNanos) {
        requirePower();
        while (!beside.isEmpty()) {
            beside.remove().run();
        }
        users.run();
        int work = 0;
        boolean all = true;
        stallOne();
        for (Lane lane : lanes) {
            boolean runs = !isStalled(lane);
            work += runs ? lane.doWork() : 0;
            all &= runs;
        }
        quiet = all && work == 0;
        if (trouble != null) {
            // A new one each time: what is thrown while another is on its way is added to that.
            throw trouble instanceof SimulationFailure finding
                    ? new SimulationFailure(finding.getMessage(), finding)
                    : new SimulationFailure("a stage of the lane threw", trouble);
        }
        requirePower();
        if (work == 0 && beside.isEmpty()) {
            idle(longestIdleNanos);
        }
    }

    /** A lane that stands still delays its tasks; what was sent to a medium goes on. */
    private void stallOne() {
        if (stalls != null && lanes.size() > 1 && stalls.nextInt(STALL_ONE_IN) == 0) {
            stalled = lanes.get(stalls.nextInt(lanes.size()));
            stalledUntil = clock.nanoTime() + stalls.nextLong(LONGEST_STALL_NANOS);
        }
    }

    private boolean isStalled(Lane lane) {
        return lane == stalled && clock.nanoTime() < stalledUntil;
    }

    private void idle(long longestNanos) {
        long nanos = longestNanos;
        for (Lane lane : lanes) {
            if (isStalled(lane)) {
                nanos = Math.min(nanos, stalledUntil - clock.nanoTime());
            } else if (lane.nextTimerNanos() != Long.MAX_VALUE) {
                nanos = Math.min(nanos, Math.max(0, lane.nextTimerNanos() - clock.nanoTime()));
            }
        }
        backend.await(nanos, () -> false);
    }

    private void requirePower() {
        if (backend.isPowerLost()) {
            throw new PowerLoss();
        }
    }

    // ---- waiting

    @Override
    public <T> T await(CompletableFuture<T> done, long nanos)
            throws InterruptedException, ExecutionException, TimeoutException {
        long start = clock.nanoTime();
        while (!done.isDone()) {
            long left = nanos - (clock.nanoTime() - start);
            if (left <= 0) {
                throw new TimeoutException();
            }
            turn(Math.min(left, LONGEST_IDLE_NANOS));
        }
        requirePower();
        return done.get();
    }

    @Override
    public <T> T join(CompletableFuture<T> done) {
        runUntil(done::isDone);
        requirePower();
        return done.join();
    }

    @Override
    public void start(String name, Runnable work) {
        beside.add(work);
    }

    @Override
    public void close() {
        backend.close();
        lanes.forEach(lane -> lane.buffers().close());
        arena.close();
    }
}
