// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.ExtentList;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.ActiveVdi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Writes to one disk what another one holds. Only what holds data is read, and only what is not
 * zero is written, several pieces at a time.
 *
 * <p><b>Threads:</b> one calls {@link #run}; the workers are its own.
 */
final class DiskCopier {
    private static final int WORKERS = 6;
    private static final long CHUNK_BYTES = 64L << 20;
    private static final int PIECE_BYTES = 1 << 20;

    /** Zeros are left out in units of this size; less would make the target's metadata ragged. */
    private static final int ZERO_BYTES = 4096;

    private static final int MOST_EXTENTS = 1024;

    private final ActiveVdi source;
    private final ActiveVdi target;
    private final long sizeBytes;
    private final AtomicLong nextChunk = new AtomicLong();
    private final AtomicLong doneBytes = new AtomicLong();

    DiskCopier(ActiveVdi source, ActiveVdi target) {
        this.source = source;
        this.target = target;
        this.sizeBytes = source.device().geometry().sizeBytes();
    }

    /** Copies all of it. Blocks; the target reads as zero before. */
    void run(Operation operation) {
        source.lane().waiting().together("disk-copier-", WORKERS, () -> work(operation));
    }

    /** Takes chunk after chunk; a worker that fails has the others stop at their next one. */
    private void work(Operation operation) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment buffer = arena.allocate(PIECE_BYTES, 4096);
            for (long from = takeChunk(); from < sizeBytes; from = takeChunk()) {
                long length = Math.min(CHUNK_BYTES, sizeBytes - from);
                copyChunk(from, length, buffer, operation);
                operation.progress(doneBytes.addAndGet(length), sizeBytes);
            }
        } catch (RuntimeException | Error e) {
            nextChunk.set(sizeBytes);
            throw e;
        }
    }

    private long takeChunk() {
        return nextChunk.getAndUpdate(next -> Math.min(sizeBytes, next + CHUNK_BYTES));
    }

    private void copyChunk(long from, long length, MemorySegment buffer, Operation operation) {
        ExtentList extents = new ExtentList(MOST_EXTENTS);
        long at = from;
        while (at < from + length) {
            operation.checkpoint();
            extents.clear();
            run(source, BlockOp.EXTENTS, at, from + length - at, null, 0, extents);
            for (int i = 0; i < extents.count(); i++) {
                if (extents.isData(i)) {
                    copyData(at, extents.length(i), buffer, operation);
                }
                at += extents.length(i);
            }
        }
    }

    private void copyData(long from, long length, MemorySegment buffer, Operation operation) {
        for (long at = 0; at < length; at += PIECE_BYTES) {
            operation.checkpoint();
            int piece = (int) Math.min(PIECE_BYTES, length - at);
            run(source, BlockOp.READ, from + at, piece, buffer, 0, null);
            writeData(from + at, piece, buffer);
        }
    }

    private void writeData(long offset, int length, MemorySegment buffer) {
        int at = 0;
        while (at < length) {
            int zeros = span(buffer, at, length, true);
            int data = span(buffer, at + zeros, length, false);
            if (data > 0) {
                run(target, BlockOp.WRITE, offset + at + zeros, data, buffer, at + zeros, null);
            }
            at += zeros + data;
        }
    }

    /** How many bytes from here on are zero, or are not, in units. */
    private static int span(MemorySegment buffer, int from, int limit, boolean zero) {
        int at = from;
        while (at < limit && isZero(buffer, at, Math.min(ZERO_BYTES, limit - at)) == zero) {
            at = Math.min(limit, at + ZERO_BYTES);
        }
        return at - from;
    }

    private static boolean isZero(MemorySegment buffer, int at, int length) {
        return MemorySegment.mismatch(buffer, at, at + length, ZEROS, 0, length) < 0;
    }

    private static final MemorySegment ZEROS = Arena.global().allocate(ZERO_BYTES, 4096);

    private static void run(
            ActiveVdi vdi,
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
                            request.push(
                                    end -> {
                                        IoStatus status = end.status;
                                        vdi.lane().release(end);
                                        done.complete(status);
                                    });
                            vdi.device().submit(request);
                        });
        IoStatus status = vdi.lane().waiting().join(done);
        if (status == IoStatus.NO_SPACE) {
            throw ErrorCode.SR_NO_SPACE.because("the storage is full: copying to " + vdi.uuid());
        }
        if (status != IoStatus.OK) {
            throw ErrorCode.SR_IO_ERROR.because(
                    "%s of %d bytes at %d of disk %s failed with %s"
                            .formatted(op, length, offset, vdi.uuid(), status));
        }
    }
}
