// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.io.IoBackend;
import dev.varve.vdi.io.IoOp;
import dev.varve.vdi.time.TestClock;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;

/** A lane without a thread: the test is its thread, and time moves when the test says so. */
public final class TestLane {
    private final TestClock clock = TestClock.standing();
    private final List<Throwable> trouble = new ArrayList<>();
    private final Idle backend = new Idle();
    private final Lane lane;

    /** A backend that can do nothing, for devices in memory. */
    private static final class Idle implements IoBackend {
        final AtomicInteger wakes = new AtomicInteger();

        @Override
        public String name() {
            return "idle";
        }

        @Override
        public void submit(IoOp op) {
            throw new IllegalStateException("there are no files here: " + op.kind);
        }

        @Override
        public int poll() {
            return 0;
        }

        @Override
        public void await(long timeoutNanos, BooleanSupplier moreWork) {}

        @Override
        public void wake() {
            wakes.incrementAndGet();
        }

        @Override
        public int inFlight() {
            return 0;
        }

        @Override
        public void close() {}
    }

    public TestLane() {
        this(1024);
    }

    public TestLane(int ringSlots) {
        EngineContext defaults =
                EngineContext.defaults(clock, (name, thrown) -> trouble.add(thrown));
        lane =
                new Lane(
                        "test",
                        backend,
                        new EngineContext(
                                1,
                                ringSlots,
                                defaults.requestsPerVdi(),
                                defaults.bufferBytesPerLane(),
                                defaults.metadataBytes(),
                                1,
                                defaults.backend(),
                                clock,
                                defaults.trouble()));
    }

    public Lane lane() {
        return lane;
    }

    public TestClock clock() {
        return clock;
    }

    /** What stages threw. */
    public List<Throwable> trouble() {
        return trouble;
    }

    /** How often the lane was woken. */
    public int wakes() {
        return backend.wakes.get();
    }

    /** Runs the lane until there is nothing to do. */
    public void pump() {
        while (lane.doWork() > 0) {
            // again
        }
    }

    /** Lets time go by, timer after timer. */
    public void advance(long nanos) {
        long end = clock.nanoTime() + nanos;
        pump();
        while (lane.nextTimerNanos() <= end) {
            clock.skip(Math.max(0, lane.nextTimerNanos() - clock.nanoTime()));
            pump();
        }
        clock.skip(end - clock.nanoTime());
    }

    /** A request of this lane that counts how often it completes in its token. */
    public BlockRequest request(BlockOp op, int flags, long offset, long length) {
        BlockRequest request = new BlockRequest(lane);
        request.set(op, flags, offset, length);
        if (op == BlockOp.READ || op == BlockOp.WRITE) {
            MemorySegment memory =
                    Arena.ofAuto().allocate(Math.max(1, Math.min(length, 1 << 25)), 4096);
            request.data(memory, 0);
        }
        request.token = 0;
        request.push(done -> done.token++);
        return request;
    }

    /** Submits a request and pumps until nothing moves. */
    public BlockRequest submit(
            BlockDevice device, BlockOp op, int flags, long offset, long length) {
        BlockRequest request = request(op, flags, offset, length);
        device.submit(request);
        pump();
        return request;
    }
}
