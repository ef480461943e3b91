// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;

import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** What a request to a unit costs in memory on the lane's thread, once the code is compiled. */
@Timeout(120)
class LunAllocationTest {
    private static final int WARM_UP = 15_000;
    private static final int MEASURED = 3_000;
    private static final int MOST_ROUNDS = 6;

    /** By reflection, since this module does without management. */
    private static long allocatedBytes() {
        try {
            Object bean =
                    Class.forName("java.lang.management.ManagementFactory")
                            .getMethod("getThreadMXBean")
                            .invoke(null);
            return (long)
                    Class.forName("com.sun.management.ThreadMXBean")
                            .getMethod("getCurrentThreadAllocatedBytes")
                            .invoke(bean);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(
                    "this platform does not count what threads allocate", e);
        }
    }

    /** Requests one after the other, each submitted by the completion of the last. */
    private static final class Loop {
        private final RunningLane lane;
        private final LunDevice device;
        private final BlockOp op;
        private final MemorySegment memory = Arena.ofAuto().allocate(32 << 10, 4096);
        private final BlockCompletion done = this::done;
        private CompletableFuture<Long> result;
        private int left;
        private long start;
        private int failed;

        Loop(RunningLane lane, LunDevice device, BlockOp op) {
            this.lane = lane;
            this.device = device;
            this.op = op;
        }

        long run(int count) {
            result = new CompletableFuture<>();
            lane.lane()
                    .execute(
                            () -> {
                                left = count;
                                start = allocatedBytes();
                                next();
                            });
            long bytes = result.orTimeout(60, TimeUnit.SECONDS).join();
            assertEquals(0, failed);
            return bytes;
        }

        /** Small ones, and now and then one that goes right to its place, or is asked for. */
        private void next() {
            BlockRequest request = lane.lane().acquire();
            int length = left % 16 == 0 ? 32 << 10 : 4096;
            request.set(op, 0, 4096L * (left % 512), length).data(memory, 0);
            request.push(done);
            device.submit(request);
        }

        private void done(BlockRequest request) {
            failed += request.status == IoStatus.OK ? 0 : 1;
            lane.lane().release(request);
            if (--left > 0) {
                next();
            } else {
                result.complete(allocatedBytes() - start);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = BlockOp.class,
            names = {"READ", "WRITE"})
    void aWarmRequestAllocatesNothingOnTheLane(BlockOp op) throws Exception {
        try (FakeTarget target = new FakeTarget(FakeTarget.plain(), 1);
                RunningLane lane = new RunningLane(true)) {
            target.pieceBytes = 32 << 10;
            target.forgets = true;
            LunDevice device = LunDeviceTest.device(target, target.portals(), LunSettings.DEFAULT);
            Loop loop = new Loop(lane, device, op);
            loop.run(WARM_UP);
            double least = Double.MAX_VALUE;
            for (int i = 0; i < MOST_ROUNDS && least > 2; i++) {
                least = Math.min(least, (double) loop.run(MEASURED) / MEASURED);
            }
            device.close();
            assertTrue(least <= 2, "a request allocates " + least + " bytes");
        }
    }
}
