// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.Operation;
import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.filter.DelayFilter;
import dev.varve.vdi.filter.FaultFilter;
import dev.varve.vdi.filter.ThrottleFilter;
import dev.varve.vdi.filter.WriteLogFilter;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * What a request costs in memory on the lane's thread, once the code is compiled. A disk of another
 * kind runs first: a compiler that has seen one kind of device and filter only removes allocations
 * that it keeps in a daemon.
 */
class AllocationTest {
    private static final long SIZE = 64 << 20;
    private static final int WARM_UP = 15_000;
    private static final int MEASURED = 5_000;
    private static final int MOST_ROUNDS = 6;

    @TempDir Path directory;
    private final Operation operation =
            Operation.within("test", Clock.system(), 300, TimeUnit.SECONDS);

    /**
     * What the calling thread allocated; by reflection, since this module does without management.
     */
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
        private final ActiveVdi vdi;
        private final BlockOp op;
        private final MemorySegment memory = Arena.ofAuto().allocate(4096, 4096);
        private final BlockCompletion done = this::done;
        private CompletableFuture<Long> result;
        private int left;
        private long start;
        private int failed;

        Loop(ActiveVdi vdi, BlockOp op) {
            this.vdi = vdi;
            this.op = op;
        }

        /** Bytes that so many requests allocate on the lane. */
        long run(int count) {
            result = new CompletableFuture<>();
            vdi.lane()
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

        private void next() {
            BlockRequest request = vdi.requests().tryAcquire();
            request.set(op, 0, 4096L * (left % 512), 4096).data(memory, 0);
            request.push(done);
            vdi.device().submit(request);
        }

        private void done(BlockRequest request) {
            failed += request.status == IoStatus.OK ? 0 : 1;
            vdi.requests().release(request);
            if (--left > 0) {
                next();
            } else {
                result.complete(allocatedBytes() - start);
            }
        }
    }

    private void mixProfile(VdiEngine engine) throws Exception {
        Path raw = Files.write(directory.resolve("disk.raw"), new byte[4 << 20]);
        ActiveVdi other =
                engine.activate(
                        UUID.randomUUID(),
                        new VdiEngine.Leaf(
                                new FileVolume(raw, true), new RawFormat(), ParentSource.NONE),
                        true,
                        operation,
                        List.of(new FaultFilter(), new WriteLogFilter()),
                        List.of(new DelayFilter(Set.of(), 1), new ThrottleFilter(0, 0)));
        new Loop(other, BlockOp.READ).run(WARM_UP / 5);
        other.close(operation);
    }

    @ParameterizedTest
    @EnumSource(
            value = BlockOp.class,
            names = {"READ", "WRITE"})
    void aWarmRequestAllocatesNothingOnTheLane(BlockOp op) throws Exception {
        Throwable[] trouble = new Throwable[1];
        EngineContext context =
                EngineContext.defaults(Clock.system(), (lane, thrown) -> trouble[0] = thrown);
        VhdFormat format = new VhdFormat(Clock.system());
        Path file = Files.createFile(directory.resolve("disk.vhd"));
        try (VdiEngine engine =
                new VdiEngine(context.withBackend(EngineContext.Backend.IO_URING).withLanes(1))) {
            try (OpenVolume open = engine.open(new FileVolume(file, true), true)) {
                format.create(
                        open.access(operation),
                        ImageSpec.plain(UUID.randomUUID(), SIZE),
                        operation);
            }
            ActiveVdi vdi =
                    engine.activate(
                            UUID.randomUUID(), new FileVolume(file, true), format, true, operation);
            mixProfile(engine);
            new DiskClient(vdi).write(0, new byte[2 << 20]);
            new DiskClient(vdi).flush();
            Loop loop = new Loop(vdi, op);
            loop.run(WARM_UP);
            double least = Double.MAX_VALUE;
            for (int i = 0; i < MOST_ROUNDS && least > 2; i++) {
                least = Math.min(least, (double) loop.run(MEASURED) / MEASURED);
            }
            vdi.close(operation);
            assertTrue(least <= 2, "a request allocates " + least + " bytes");
        }
        assertEquals(null, trouble[0]);
    }
}
