// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.BufferPool;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.io.IoBackend;
import dev.varve.vdi.io.PoolBackend;
import dev.varve.vdi.time.Clock;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;

/**
 * A lane of one request at a time: it submits, polls until the request is over, and returns. For
 * looking at the bytes of a device in tests.
 */
public final class DirectContext implements IoContext, AutoCloseable {
    private final IoBackend backend = new PoolBackend("test", 1);
    private final BufferPool pool = new BufferPool(1 << 20, Runnable::run);

    /** Writes bytes of one value. */
    public void write(BlockDevice device, long offset, int length, int value) {
        MemorySegment buffer = pool.acquireNow(length);
        buffer.fill((byte) value);
        assertEquals(IoStatus.OK, run(device, BlockOp.WRITE, offset, length, buffer));
        assertEquals(IoStatus.OK, run(device, BlockOp.FLUSH, 0, 0, null));
        pool.release(buffer);
    }

    /** Writes bytes of one value, or does not. */
    public IoStatus tryWrite(BlockDevice device, long offset, int length, int value) {
        MemorySegment buffer = pool.acquireNow(length);
        buffer.fill((byte) value);
        IoStatus status = run(device, BlockOp.WRITE, offset, length, buffer);
        pool.release(buffer);
        return status;
    }

    /** Reads bytes. */
    public byte[] read(BlockDevice device, long offset, int length) {
        MemorySegment buffer = pool.acquireNow(length);
        assertEquals(IoStatus.OK, run(device, BlockOp.READ, offset, length, buffer));
        byte[] bytes =
                buffer.asSlice(BufferPool.HEADROOM_BYTES, length).toArray(ValueLayout.JAVA_BYTE);
        pool.release(buffer);
        return bytes;
    }

    private IoStatus run(
            BlockDevice device, BlockOp op, long offset, long length, MemorySegment buffer) {
        boolean[] done = new boolean[1];
        BlockRequest request = new BlockRequest(this);
        request.op = op;
        request.offset = offset;
        request.length = length;
        request.buffer = buffer;
        request.bufferOffset = BufferPool.HEADROOM_BYTES;
        request.push(ended -> done[0] = true);
        device.submit(request);
        while (!done[0]) {
            backend.await(TimeUnit.SECONDS.toNanos(1), () -> false);
            backend.poll();
        }
        return request.status;
    }

    @Override
    public IoBackend io() {
        return backend;
    }

    @Override
    public Clock clock() {
        return Clock.system();
    }

    @Override
    public BufferPool buffers() {
        return pool;
    }

    @Override
    public BlockRequest acquire() {
        return new BlockRequest(this);
    }

    @Override
    public void release(BlockRequest request) {}

    @Override
    public void schedule(LaneTimer timer, long delayNanos) {
        throw new UnsupportedOperationException("no timers in a lane of one request");
    }

    @Override
    public void execute(Runnable task) {
        throw new UnsupportedOperationException("no other threads with a lane of one request");
    }

    @Override
    public void atEndOfTurn(Runnable task) {
        task.run();
    }

    @Override
    public void close() {
        backend.close();
        pool.close();
    }
}
