// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.image.BlockAccess;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.random.RandomGenerator;

/**
 * A host from power-on to power-off: one lane with one volume.
 *
 * <p><b>Threads:</b> one, which is also the lane's.
 */
public final class SimHost implements AutoCloseable {
    private static final int MOST_TURNS = 1_000_000;
    private static final long LONGEST_IDLE_NANOS = 1_000_000_000;

    private final SimBackend backend;
    private final Lane lane;
    private final SimDisk disk;
    private final OpenVolume volume;
    private final Arena arena = Arena.ofConfined();
    private final BlockAccess access = new Access();
    private Throwable trouble;

    /**
     * @param content what the medium holds when the power comes on
     * @param filters filters right in front of the medium
     */
    public SimHost(
            SimClock clock,
            RandomGenerator random,
            FaultPlan plan,
            Trace trace,
            SimContent content,
            List<BlockFilter> filters) {
        backend = new SimBackend(clock);
        EngineContext context =
                new EngineContext(
                        1,
                        64,
                        16,
                        8 << 20,
                        1,
                        EngineContext.Backend.AUTO,
                        clock,
                        (name, thrown) -> trouble = trouble == null ? thrown : trouble);
        lane = new Lane("simulated", backend, context);
        disk = new SimDisk(backend, random, plan, trace, content);
        SimVolume simVolume = new SimVolume(backend, random, plan, disk);
        volume = new OpenVolume(lane, simVolume, true, filters);
        lane.doWork(); // makes this thread the lane's
    }

    /** The lane. */
    public Lane lane() {
        return lane;
    }

    /** What the lane runs on. */
    public SimBackend backend() {
        return backend;
    }

    /** The medium. */
    public SimDisk disk() {
        return disk;
    }

    /** The volume, open on the lane. */
    public OpenVolume volume() {
        return volume;
    }

    /** The volume for code that waits; waiting is running the lane. */
    public BlockAccess access() {
        return access;
    }

    /** Memory that lives as long as the host. */
    public MemorySegment allocate(long bytes) {
        return arena.allocate(Math.max(1, bytes), 4096);
    }

    /** Runs the lane until something has happened. */
    public void runUntil(BooleanSupplier happened) {
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
        return backend.inFlight() == 0 && lane.nextTimerNanos() == Long.MAX_VALUE;
    }

    /** One turn of the lane, and a jump of the clock when there was nothing to do. */
    void turn() {
        int work = lane.doWork();
        if (trouble != null) {
            throw trouble instanceof SimulationFailure finding
                    ? finding
                    : new SimulationFailure("a stage of the lane threw", trouble);
        }
        if (backend.isPowerLost()) {
            throw new PowerLoss();
        }
        if (work == 0) {
            lane.idle(LONGEST_IDLE_NANOS);
        }
    }

    /** Lets time go by. */
    public void runFor(long nanos) {
        boolean[] over = new boolean[1];
        backend.after(nanos, () -> over[0] = true);
        runUntil(() -> over[0]);
    }

    @Override
    public void close() {
        backend.close();
        lane.buffers().close();
        arena.close();
    }

    /** Does what the engine's access does, without a second thread. */
    private final class Access implements BlockAccess {
        @Override
        public long sizeBytes() {
            return volume.device().geometry().sizeBytes();
        }

        @Override
        public byte[] read(long offset, int length) {
            MemorySegment memory = allocate(length);
            run(BlockOp.READ, offset, length, memory);
            return memory.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
        }

        @Override
        public void write(long offset, byte[] data) {
            grow(offset + data.length);
            MemorySegment memory = allocate(data.length);
            MemorySegment.copy(data, 0, memory, ValueLayout.JAVA_BYTE, 0, data.length);
            run(BlockOp.WRITE, offset, data.length, memory);
        }

        @Override
        public void zero(long offset, long length) {
            run(BlockOp.WRITE_ZEROES, offset, length, null);
        }

        @Override
        public void flush() {
            run(BlockOp.FLUSH, 0, 0, null);
        }

        @Override
        public void grow(long sizeBytes) {
            if (sizeBytes > sizeBytes()) {
                var grown = volume.volume().grow(sizeBytes).toCompletableFuture();
                runUntil(grown::isDone);
            }
        }

        @Override
        public void shrink(long sizeBytes) {
            if (sizeBytes < sizeBytes()) {
                volume.volume().shrink(sizeBytes);
            }
        }

        private void run(BlockOp op, long offset, long length, MemorySegment memory) {
            IoStatus[] outcome = new IoStatus[1];
            lane.submit(
                    volume.device(),
                    op,
                    0,
                    offset,
                    length,
                    memory,
                    0,
                    request -> {
                        outcome[0] = request.status;
                        request.context.release(request);
                    });
            runUntil(() -> outcome[0] != null);
            if (outcome[0] != IoStatus.OK) {
                throw new SimulationFailure(
                        "%s of %d bytes at %d in a volume of %d bytes ended with %s"
                                .formatted(op, length, offset, sizeBytes(), outcome[0]));
            }
        }
    }
}
