// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.io.IoBackend;
import dev.varve.vdi.io.PoolBackend;
import dev.varve.vdi.io.UringBackend;
import dev.varve.vdi.time.Clock;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/** A lane with a thread, and a client of devices on it. */
final class RunningLane implements AutoCloseable {
    private final List<Throwable> trouble = new CopyOnWriteArrayList<>();
    private final Thread thread;
    private final Lane lane;
    private volatile boolean stopped;

    RunningLane(boolean uring) {
        CompletableFuture<Lane> started = new CompletableFuture<>();
        EngineContext context =
                EngineContext.defaults(Clock.system(), (name, thrown) -> trouble.add(thrown));
        thread =
                Thread.ofPlatform()
                        .daemon()
                        .start(
                                () -> {
                                    IoBackend io = uring ? UringBackend.open() : null;
                                    io = io == null ? new PoolBackend("test", 1) : io;
                                    Lane own = new Lane("test", io, context);
                                    started.complete(own);
                                    while (!stopped) {
                                        if (own.doWork() == 0) {
                                            own.idle(TimeUnit.SECONDS.toNanos(1));
                                        }
                                    }
                                    io.close();
                                });
        lane = started.join();
    }

    Lane lane() {
        return lane;
    }

    List<Throwable> trouble() {
        return trouble;
    }

    CompletableFuture<IoStatus> start(
            BlockDevice device,
            BlockOp op,
            int flags,
            long offset,
            long length,
            MemorySegment data) {
        CompletableFuture<IoStatus> done = new CompletableFuture<>();
        BlockCompletion completion =
                request -> {
                    IoStatus status = request.status;
                    request.context.release(request);
                    if (!done.complete(status)) {
                        trouble.add(new AssertionError("completed twice"));
                    }
                };
        lane.submit(device, op, flags, offset, length, data, 0, completion);
        return done;
    }

    CompletableFuture<IoStatus> write(BlockDevice device, long offset, byte[] data, int flags) {
        return start(device, BlockOp.WRITE, flags, offset, data.length, memory(data));
    }

    byte[] read(BlockDevice device, long offset, int length) throws Exception {
        MemorySegment memory = Arena.ofAuto().allocate(length, 4096);
        memory.fill((byte) 0x5A);
        IoStatus status =
                start(device, BlockOp.READ, 0, offset, length, memory).get(40, TimeUnit.SECONDS);
        if (status != IoStatus.OK) {
            throw new AssertionError("read ended with " + status);
        }
        return memory.toArray(ValueLayout.JAVA_BYTE);
    }

    static MemorySegment memory(byte[] data) {
        MemorySegment memory = Arena.ofAuto().allocate(data.length, 4096);
        MemorySegment.copy(data, 0, memory, ValueLayout.JAVA_BYTE, 0, data.length);
        return memory;
    }

    @Override
    public void close() {
        stopped = true;
        lane.execute(() -> {});
        try {
            thread.join(5000);
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted while a lane ends", e);
        }
        if (!trouble.isEmpty()) {
            throw new AssertionError("the lane had trouble", trouble.getFirst());
        }
    }
}
