// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.cbt.ChangedBlocks;
import dev.varve.vdi.engine.Lane;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.function.Consumer;

/**
 * The meta context of a connection that tells which blocks have changed since a snapshot: {@code
 * qemu:dirty-bitmap:UUID} or {@code varve:changed-since:UUID}, with the snapshot's UUID.
 *
 * <p>It tells what has changed until the connection first asks. That is read by a thread of its own
 * then; requests that need it are put off until it is there.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class DirtyContext {
    /** What comes before the UUID, as QEMU names it and as we do. */
    static final String QEMU = "qemu:dirty-bitmap:";

    static final String VARVE = "varve:changed-since:";

    /** The number under which answers speak of it. */
    static final int ID = 2;

    private static final int STATE_DIRTY = 1;
    private static final Logger LOG = LoggerFactory.getLogger(DirtyContext.class);

    private final String snapshot;
    private final NbdBitmaps bitmaps;
    private final ArrayDeque<NbdRequest> waiting = new ArrayDeque<>();
    private ChangedBlocks changed;
    private boolean known;

    DirtyContext(String snapshot, NbdBitmaps bitmaps) {
        this.snapshot = snapshot;
        this.bitmaps = bitmaps;
    }

    /** Whether it can answer now, or never will. */
    boolean isKnown() {
        return known;
    }

    /** Whether what has changed could not be found out. */
    boolean hasFailed() {
        return known && changed == null;
    }

    /** Puts a request off until it can be answered. */
    void await(NbdRequest request, Lane lane, Consumer<NbdRequest> then) {
        waiting.add(request);
        if (waiting.size() == 1) {
            lane.waiting().start("nbd-bitmap", () -> find(lane, then));
        }
    }

    private void find(Lane lane, Consumer<NbdRequest> then) {
        ChangedBlocks found = null;
        try {
            found = bitmaps.since(snapshot);
        } catch (StorageException e) {
            LOG.warn("the blocks changed since snapshot {} cannot be told", snapshot, e);
        } finally {
            ChangedBlocks result = found;
            lane.execute(() -> found(result, then));
        }
    }

    private void found(ChangedBlocks result, Consumer<NbdRequest> then) {
        changed = result;
        known = true;
        while (!waiting.isEmpty()) {
            then.accept(waiting.remove());
        }
    }

    /**
     * Writes which parts of a range have changed, each with its length and its state.
     *
     * @param most how many parts there may be
     * @return the place behind them
     */
    long write(MemorySegment to, long position, long offset, long length, int most) {
        long at = position;
        long end = offset + length;
        long from = offset;
        for (int i = 0; i < most && from < end; i++) {
            boolean dirty = isDirty(from);
            long next = Math.min(end, runEnd(from));
            to.set(NbdConnection.INT, at, (int) (next - from));
            to.set(NbdConnection.INT, at + 4, dirty ? STATE_DIRTY : 0);
            at += 8;
            from = next;
        }
        return at;
    }

    /** What the disk has grown by since is new. */
    private boolean isDirty(long offset) {
        return offset >= changed.sizeBytes()
                || changed.contains(offset / ChangedBlocks.BLOCK_BYTES);
    }

    private long runEnd(long offset) {
        return offset >= changed.sizeBytes() ? Long.MAX_VALUE : offset + changed.run(offset);
    }
}
