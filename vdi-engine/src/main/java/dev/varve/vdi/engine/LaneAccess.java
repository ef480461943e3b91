// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.store.StoreVolume;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/**
 * A volume for code that may wait: requests go through the ring of a lane, and the caller sleeps
 * until they are done, the operation is late or it was cancelled.
 */
final class LaneAccess implements BlockAccess {
    private static final long CANCEL_CHECK_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final Lane lane;
    private final StoreVolume volume;
    private final BlockDevice device;
    private final Operation operation;
    private final long longestWaitNanos;

    /**
     * @param device the volume's device, made ready for any alignment
     * @param longestWaitNanos after how long without an answer the storage is taken to be stuck
     */
    LaneAccess(
            Lane lane,
            StoreVolume volume,
            BlockDevice device,
            Operation operation,
            long longestWaitNanos) {
        this.lane = lane;
        this.volume = volume;
        this.device = device;
        this.operation = operation;
        this.longestWaitNanos = longestWaitNanos;
    }

    @Override
    public long sizeBytes() {
        return device.geometry().sizeBytes();
    }

    @Override
    public byte[] read(long offset, int length) {
        Memory memory = new Memory(length);
        run(BlockOp.READ, offset, length, memory);
        return memory.segment.toArray(ValueLayout.JAVA_BYTE);
    }

    @Override
    public void write(long offset, byte[] data) {
        grow(offset + data.length);
        Memory memory = new Memory(data.length);
        MemorySegment.copy(data, 0, memory.segment, ValueLayout.JAVA_BYTE, 0, data.length);
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
            await(volume.grow(sizeBytes).toCompletableFuture(), "growing " + volume.id());
        }
    }

    @Override
    public void shrink(long sizeBytes) {
        if (volume.sizeAfterShrink(sizeBytes) < sizeBytes()) {
            if (volume.device().lossEpoch() != BlockDevice.NO_LOSS) {
                flush(); // what is cut off must not be sent again when the volume has grown anew
            }
            volume.shrink(sizeBytes);
        }
    }

    @Override
    public long sizeAfterShrink(long sizeBytes) {
        return volume.sizeAfterShrink(sizeBytes);
    }

    @Override
    public void await(Consumer<Runnable> work) {
        CompletableFuture<Boolean> over = new CompletableFuture<>();
        lane.execute(() -> work.accept(() -> over.complete(true)));
        await(over, "coming to rest of " + volume.id());
    }

    /**
     * Memory of one request. It is freed by the collector and not by hand: when the caller gives up
     * waiting, the device may still use it.
     */
    private static final class Memory {
        final MemorySegment segment;

        Memory(int length) {
            segment = Arena.ofAuto().allocate(Math.max(1, length), 4096);
        }
    }

    private void run(BlockOp op, long offset, long length, Memory memory) {
        CompletableFuture<IoStatus> done = new CompletableFuture<>();
        lane.submit(
                device,
                op,
                0,
                offset,
                length,
                memory == null ? null : memory.segment,
                0,
                request -> {
                    IoStatus status = request.status;
                    request.context.release(request);
                    done.complete(status);
                });
        String what = op + " of " + length + " bytes at " + offset + " in " + volume.id();
        IoStatus status = await(done, what);
        if (status != IoStatus.OK) {
            throw failure(status, what);
        }
    }

    private <T> T await(CompletableFuture<T> done, String what) {
        long waited = 0;
        while (true) {
            operation.checkpoint();
            long step = Math.min(CANCEL_CHECK_NANOS, Math.max(1, operation.remainingNanos()));
            try {
                return lane.waiting().await(done, step);
            } catch (TimeoutException e) {
                waited += step;
                if (waited > longestWaitNanos) {
                    throw ErrorCode.SR_IO_ERROR.because(
                            what
                                    + " was not answered within "
                                    + TimeUnit.NANOSECONDS.toSeconds(longestWaitNanos)
                                    + " s; the storage is stuck",
                            e);
                }
            } catch (ExecutionException e) {
                throw unwrap(e, what);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw ErrorCode.TASK_CANCELLED.with(operation.label());
            }
        }
    }

    private static StorageException unwrap(ExecutionException e, String what) {
        return e.getCause() instanceof StorageException storage
                ? storage
                : ErrorCode.SR_GENERAL.because(what + " failed: " + e.getCause(), e.getCause());
    }

    private static StorageException failure(IoStatus status, String what) {
        return switch (status) {
            case NO_SPACE -> ErrorCode.SR_NO_SPACE.because("the storage is full: " + what);
            case READ_ONLY ->
                    ErrorCode.SR_NOT_WRITABLE.because("the storage is read-only: " + what);
            default -> ErrorCode.SR_IO_ERROR.because(what + " failed with " + status);
        };
    }
}
