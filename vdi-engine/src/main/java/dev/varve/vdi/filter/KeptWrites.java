// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.filter;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.BufferPool;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.block.IoStatus;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.function.BiConsumer;

/**
 * Copies of writes that no flush has made durable yet, in the order in which they were submitted:
 * of two that overlap and were not in flight together, the later one is the newer.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class KeptWrites {
    private static final int SMALLEST_BYTES = 4096;

    /** One of them. */
    final class Kept implements BlockCompletion {
        BlockOp op;
        int flags;
        long offset;
        long length;

        /** What was written; null for zeros. */
        MemorySegment data;

        /** How many had completed when it did, itself included; 0 while it is in flight. */
        private long completedAs;

        private boolean dropped;

        /** Whether it failed, once none is in flight; then nobody relies on what is there now. */
        boolean hasFailed() {
            return completedAs == 0;
        }

        boolean overlaps(long otherOffset, long otherLength) {
            return offset < otherOffset + otherLength && otherOffset < offset + length;
        }

        @Override
        public void completed(BlockRequest request) {
            inFlight--;
            if (request.status == IoStatus.OK) {
                completedAs = ++completions;
            } else {
                dropped = true;
                removeDropped();
            }
            ended.accept(request, this);
        }
    }

    private final BiConsumer<BlockRequest, Kept> ended;
    private final ArrayDeque<Kept> kept = new ArrayDeque<>();
    private final ArrayDeque<Kept> spare = new ArrayDeque<>();
    private IoContext context;
    private long completions;
    private long forgottenUpTo;
    private long bytes;
    private int inFlight;

    /**
     * @param ended told when a write that is kept has ended, which it then has to pass on
     */
    KeptWrites(BiConsumer<BlockRequest, Kept> ended) {
        this.ended = ended;
    }

    boolean isEmpty() {
        return kept.isEmpty();
    }

    int count() {
        return kept.size();
    }

    /** How much memory they take. */
    long bytes() {
        return bytes;
    }

    /** How much memory a request would take. */
    static long bytesOf(BlockRequest request) {
        return request.op == BlockOp.WRITE ? bytesOf(request.length) : 0;
    }

    private static long bytesOf(long length) {
        return BufferPool.HEADROOM_BYTES
                + Math.max(SMALLEST_BYTES, Long.highestOneBit(2 * length - 1));
    }

    /** How many of them are in flight. */
    int inFlight() {
        return inFlight;
    }

    /** How many have completed so far: what a flush that is submitted now covers. */
    long completions() {
        return completions;
    }

    /** Whether some have completed that no flush has covered. */
    boolean areUnflushed() {
        return completions > forgottenUpTo;
    }

    /** Copies a write that is about to be submitted. */
    Kept keep(BlockRequest request) {
        context = request.context;
        Kept one = spare.isEmpty() ? new Kept() : spare.pop();
        one.op = request.op;
        one.flags = request.flags;
        one.offset = request.offset;
        one.length = request.length;
        one.completedAs = 0;
        one.dropped = false;
        if (request.op == BlockOp.WRITE) {
            one.data = context.buffers().acquireNow((int) request.length);
            bytes += bytesOf(request.length);
            MemorySegment.copy(
                    request.buffer,
                    request.bufferOffset,
                    one.data,
                    BufferPool.HEADROOM_BYTES,
                    request.length);
        }
        kept.add(one);
        inFlight++;
        return one;
    }

    /** Forgets those that had completed when only so many had: a flush has covered them. */
    void forget(long upTo) {
        forgottenUpTo = Math.max(forgottenUpTo, upTo);
        for (Kept one : kept) {
            one.dropped |= one.completedAs != 0 && one.completedAs <= upTo;
        }
        removeDropped();
    }

    /**
     * One that is dropped may still stand behind an older one that is not, and stays as long: the
     * two may overlap.
     */
    private void removeDropped() {
        while (!kept.isEmpty() && kept.peek().dropped) {
            Kept one = kept.poll();
            if (one.data != null) {
                bytes -= bytesOf(one.length);
                context.buffers().release(one.data);
                one.data = null;
            }
            spare.push(one);
        }
    }

    /** All of them, the oldest first, also those that are forgotten and not let go of yet. */
    Iterator<Kept> oldestFirst() {
        return kept.iterator();
    }

    /** Puts what they say into the data of a read that has completed. */
    void putInto(BlockRequest read) {
        for (Kept one : kept) {
            if (one.completedAs != 0 && one.overlaps(read.offset, read.length)) {
                long from = Math.max(one.offset, read.offset);
                long length = Math.min(one.offset + one.length, read.offset + read.length) - from;
                if (one.data == null) {
                    read.zero(from - read.offset, length);
                } else {
                    MemorySegment.copy(
                            one.data,
                            BufferPool.HEADROOM_BYTES + from - one.offset,
                            read.buffer,
                            read.bufferOffset + from - read.offset,
                            length);
                }
            }
        }
    }
}
