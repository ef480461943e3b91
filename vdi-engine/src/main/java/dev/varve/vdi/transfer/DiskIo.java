// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.transfer;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.ExtentList;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.ActiveVdi;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;

/**
 * Requests for a disk from a thread that is not its lane's.
 *
 * <p><b>Threads:</b> any but a lane's.
 */
final class DiskIo {
    /** A request that was sent, and what to say when it fails. */
    record Sent(BlockOp op, long offset, long length, CompletableFuture<IoStatus> done) {}

    private final ActiveVdi vdi;

    DiskIo(ActiveVdi vdi) {
        this.vdi = vdi;
    }

    ActiveVdi vdi() {
        return vdi;
    }

    long sizeBytes() {
        return vdi.device().geometry().sizeBytes();
    }

    /** Sends a request; its memory is not to be touched before {@link #await} returns. */
    Sent send(BlockOp op, long offset, long length, MemorySegment buffer, long bufferOffset) {
        return send(op, offset, length, buffer, bufferOffset, null);
    }

    /** Asks which parts of a range hold data. Waits. */
    void extents(long offset, long length, ExtentList extents) {
        await(send(BlockOp.EXTENTS, offset, length, null, 0, extents));
    }

    private Sent send(
            BlockOp op,
            long offset,
            long length,
            MemorySegment buffer,
            long bufferOffset,
            ExtentList extents) {
        CompletableFuture<IoStatus> done = new CompletableFuture<>();
        vdi.lane()
                .execute(
                        () -> {
                            BlockRequest request = vdi.lane().acquire();
                            request.set(op, 0, offset, length).data(buffer, bufferOffset);
                            request.extents = extents;
                            request.push(end -> complete(end, done));
                            vdi.device().submit(request);
                        });
        return new Sent(op, offset, length, done);
    }

    private void complete(BlockRequest request, CompletableFuture<IoStatus> done) {
        IoStatus status = request.status;
        vdi.lane().release(request);
        done.complete(status);
    }

    /** Waits for the end of a request without saying how it ended. */
    void settle(Sent sent) {
        vdi.lane().waiting().join(sent.done());
    }

    /**
     * Waits for the end of a request.
     *
     * @throws dev.varve.vdi.StorageException SR_NO_SPACE or SR_IO_ERROR when it failed
     */
    void await(Sent sent) {
        IoStatus status = vdi.lane().waiting().join(sent.done());
        if (status == IoStatus.NO_SPACE) {
            throw ErrorCode.SR_NO_SPACE.because("the storage is full: writing to " + vdi.uuid());
        }
        if (status != IoStatus.OK) {
            throw ErrorCode.SR_IO_ERROR.because(
                    "%s of %d bytes at %d of disk %s failed with %s"
                            .formatted(
                                    sent.op(), sent.length(), sent.offset(), vdi.uuid(), status));
        }
    }
}
