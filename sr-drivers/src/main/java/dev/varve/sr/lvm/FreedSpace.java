// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;

/**
 * Tells the medium, in the background, which of its space nobody needs any more. Space that is
 * given out again meanwhile is left out; whoever gives it out waits for a discard of it that is
 * under way, as nobody knows in which order the medium would carry that and a write out.
 *
 * <p>Extents that this daemon has freed may be given out by another one that owns the group by
 * then. So each discard is made as the owner, after a look at the group; when somebody else has
 * changed it meanwhile, nothing is left to discard ({@link #forget}).
 *
 * <p><b>Threads:</b> any; one discard at a time.
 *
 * <p><b>Durability:</b> space is handed in here when the change that freed it is durable, and never
 * before.
 */
final class FreedSpace {
    /** What is discarded at a time: whoever needs the space waits for this at most. */
    private static final long PIECE_BYTES = 256L << 20;

    /** Has a discard happen while nobody else can give its space out. */
    interface Turn {
        /**
         * Runs both, one after the other, as the owner.
         *
         * @param choose with the group as it is on the medium, and locked
         * @param discard may take long; others of this daemon go on meanwhile
         */
        void run(Runnable choose, Runnable discard);
    }

    private final BlockMedium medium;
    private final Turn turn;
    private final Executor blocking;
    private final Consumer<String> problems;
    private final TreeMap<Long, Long> pending = new TreeMap<>();
    private long busyStart;
    private long busyEnd;
    private boolean running;
    private boolean closed;

    FreedSpace(BlockMedium medium, Turn turn, Executor blocking, Consumer<String> problems) {
        this.medium = medium;
        this.turn = turn;
        this.blocking = blocking;
        this.problems = problems;
    }

    /** Has a range discarded soon. */
    synchronized void add(long offset, long length) {
        if (closed || !medium.canDiscard()) {
            return;
        }
        pending.put(offset, offset + length);
        if (!running) {
            running = true;
            try {
                blocking.execute(this::discardAll);
            } catch (RejectedExecutionException e) {
                // The daemon stops; that the medium keeps the space does no harm.
                running = false;
                pending.clear();
            }
        }
    }

    /** A range is going to be used: it is not discarded any more when this returns. */
    synchronized void take(long offset, long length) {
        long end = offset + length;
        Map.Entry<Long, Long> before = pending.lowerEntry(end);
        while (before != null && before.getValue() > offset) {
            long start = before.getKey();
            long last = before.getValue();
            pending.remove(start);
            if (start < offset) {
                pending.put(start, offset);
            }
            if (last > end) {
                pending.put(end, last);
            }
            before = pending.lowerEntry(Math.min(start, end));
        }
        awaitOutside(offset, end);
    }

    private void awaitOutside(long offset, long end) {
        try {
            while (busyStart < end && offset < busyEnd) {
                wait();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "the wait for a discard on " + medium.name() + " was interrupted", e);
        }
    }

    private void discardAll() {
        while (isMore()) {
            try {
                turn.run(this::choose, this::discard);
            } catch (StorageException e) {
                failed(e);
            } finally {
                done();
            }
        }
    }

    private synchronized boolean isMore() {
        running = !pending.isEmpty();
        return running;
    }

    private synchronized void choose() {
        Map.Entry<Long, Long> first = pending.pollFirstEntry();
        if (first == null) {
            return;
        }
        busyStart = first.getKey();
        busyEnd = Math.min(first.getValue(), busyStart + PIECE_BYTES);
        if (busyEnd < first.getValue()) {
            pending.put(busyEnd, first.getValue());
        }
    }

    private void discard() {
        long start;
        long length;
        synchronized (this) {
            start = busyStart;
            length = busyEnd - busyStart;
        }
        if (length > 0) {
            medium.discard(start, length);
        }
    }

    /** Another daemon has changed the group, and may have given out what was free. */
    synchronized void forget() {
        pending.clear();
    }

    private synchronized void done() {
        busyStart = 0;
        busyEnd = 0;
        notifyAll();
    }

    private synchronized void failed(StorageException failure) {
        pending.clear();
        problems.accept(
                "freed space of %s could not be given back: %s"
                        .formatted(medium.name(), failure.sentence()));
    }

    /** Discards nothing any more when this returns. */
    synchronized void close() {
        closed = true;
        pending.clear();
        awaitOutside(0, Long.MAX_VALUE);
    }
}
