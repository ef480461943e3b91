// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import dev.varve.vdi.Invariant;
import dev.varve.vdi.io.IoOp;

import java.lang.foreign.MemorySegment;

/**
 * A request on its way through devices: a mutable slot, made once and used again and again.
 *
 * <p>A filter that wants to see the end of a request pushes a completion before it passes the
 * request on; {@link #complete} takes the topmost one off and calls it. A device that splits a
 * request takes child requests from the {@link #context} and keeps count in {@link #cursor} and
 * {@link #pending}.
 *
 * <p><b>Threads:</b> the lane's only, from submission to completion.
 */
public final class BlockRequest {
    /** The write must be durable when it completes. */
    public static final int FUA = 1;

    /** A range made zero must keep its space. */
    public static final int NO_HOLE = 2;

    private static final int COMPLETION_DEPTH = 12;

    /** The services of the lane that runs the request. */
    public final IoContext context;

    /** For the device that does the work at last: its operation on a file. */
    public final IoOp io = new IoOp(this);

    /** What is asked for. */
    public BlockOp op;

    /** {@link #FUA}, {@link #NO_HOLE}. */
    public int flags;

    /** Where the range begins, in bytes. */
    public long offset;

    /** How long the range is, in bytes. */
    public long length;

    /** Native memory that holds the data from {@link #bufferOffset} on. */
    public MemorySegment buffer;

    /** Where in the buffer the data begins, in bytes. */
    public long bufferOffset;

    /** Where the answer to {@link BlockOp#EXTENTS} goes. */
    public ExtentList extents;

    /** How it ended; set by {@link #complete}. */
    public IoStatus status;

    /** For whoever made the request. */
    public Object owner;

    /** For whoever made the request. */
    public long token;

    /** For whoever holds the request: the next one of a list. */
    public BlockRequest next;

    /** For the device that splits the request: how far it has come, in bytes from the start. */
    public long cursor;

    /** For the device that splits the request: how many parts are not done. */
    public int pending;

    /** For the device that splits the request: the first failure among its parts. */
    public IoStatus firstFailure;

    /** For the device that splits the request: which request this one is a part of. */
    public BlockRequest parent;

    /** Who goes on with it when it had to wait. */
    public Waiter waiter;

    /** For the device that splits the request: the state of the device that it began with. */
    public Object version;

    private final BlockCompletion[] completions = new BlockCompletion[COMPLETION_DEPTH];
    private int depth;

    /** A slot that belongs to a lane. */
    public BlockRequest(IoContext context) {
        this.context = context;
    }

    /** Sets what is asked for, forgetting everything from the last use. */
    public BlockRequest set(BlockOp newOp, int newFlags, long newOffset, long newLength) {
        Invariant.check(depth == 0, "a request in flight is set again");
        op = newOp;
        flags = newFlags;
        offset = newOffset;
        length = newLength;
        buffer = null;
        bufferOffset = 0;
        extents = null;
        status = null;
        next = null;
        cursor = 0;
        pending = 0;
        firstFailure = IoStatus.OK;
        parent = null;
        waiter = null;
        version = null;
        return this;
    }

    /** Sets where the data is. */
    public BlockRequest data(MemorySegment newBuffer, long newBufferOffset) {
        buffer = newBuffer;
        bufferOffset = newBufferOffset;
        return this;
    }

    /** Whether a flag is set. */
    public boolean has(int flag) {
        return (flags & flag) != 0;
    }

    /** The native address of the data. */
    public long address() {
        return buffer.address() + bufferOffset;
    }

    /** Fills a part of the data with zeros; the start counts from the start of the range. */
    public void zero(long start, long count) {
        buffer.asSlice(bufferOffset + start, count).fill((byte) 0);
    }

    /** Makes the given completion the next to be called. */
    public BlockRequest push(BlockCompletion completion) {
        completions[depth++] = completion;
        return this;
    }

    /** Ends the request for whoever pushed the topmost completion. */
    public void complete(IoStatus outcome) {
        Invariant.check(depth > 0, "a request completes twice");
        status = outcome;
        BlockCompletion completion = completions[--depth];
        completions[depth] = null;
        completion.completed(this);
    }

    /**
     * Wakes the requests of a list, linked by {@link #next}: they go on, or fail when what they
     * waited for did.
     */
    public static void wakeAll(BlockRequest first, IoStatus outcome) {
        BlockRequest waiting = first;
        while (waiting != null) {
            BlockRequest following = waiting.next;
            waiting.next = null;
            if (outcome == IoStatus.OK) {
                waiting.waiter.resume(waiting);
            } else {
                waiting.waiter.fail(waiting, outcome);
            }
            waiting = following;
        }
    }

    /** Remembers the first failure among parts. */
    public void noteFailure(IoStatus failure) {
        if (firstFailure == IoStatus.OK) {
            firstFailure = failure;
        }
    }

    @Override
    public String toString() {
        return "%s %d+%d flags %d".formatted(op, offset, length, flags);
    }
}
