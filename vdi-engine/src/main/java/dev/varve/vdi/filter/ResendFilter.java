// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.filter;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockFeature;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.BufferPool;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.block.IoStatus;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;

/**
 * Makes the losses of a device that may forget unflushed writes invisible: keeps a copy of each
 * write until a flush has made it durable, and when the device's {@link BlockDevice#lossEpoch()}
 * has changed, sends all of them again and flushes once more before a flush succeeds. Between the
 * loss and that, reads show what is kept.
 *
 * <p><b>Memory</b> is bounded: at half of the bound the filter flushes by itself, at the bound
 * writes wait for that flush. A write that is larger than half the bound is not kept; it waits
 * until nothing else is, and is done again until a flush after it has shown no loss.
 *
 * <p><b>Repair:</b> new changes are held, those in flight end, what is kept is sent in the order in
 * which it came, overlapping ones one after the other, and a flush follows; a loss meanwhile begins
 * it anew. When the device fails it the flushes that waited for it fail, and the next one tries
 * again.
 *
 * <p><b>Discard:</b> not kept. After a loss a range that was given back reads as zero or as before,
 * as it may anyway.
 *
 * <p><b>Threads:</b> the lane's only.
 */
public final class ResendFilter extends BlockFilter {
    /**
     * How much memory the copies take at the most, in bytes, unless somebody wants it otherwise.
     */
    public static final long BOUND_BYTES = 16L << 20;

    private static final int MOST_KEPT = 4096;
    private static final int MOST_RESENT_AT_ONCE = 16;

    private final long boundBytes;
    private final KeptWrites kept = new KeptWrites((request, write) -> changed(request));
    private final ArrayDeque<Flush> spareFlushes = new ArrayDeque<>();
    private final ArrayDeque<Read> spareReads = new ArrayDeque<>();
    private final BlockCompletion discarded = this::discarded;
    private final BlockCompletion forced = this::forcedFlushEnded;
    private final BlockCompletion largeWritten = this::largeWritten;
    private final BlockCompletion largeFlushed = this::largeFlushed;
    private final BlockCompletion resent = this::resent;
    private final BlockCompletion resentFlushed = this::resentFlushed;

    /** Changes that wait until there is room, or until all is repaired. */
    private final ArrayDeque<BlockRequest> held = new ArrayDeque<>();

    /** Flushes that wait until all is repaired. */
    private List<BlockRequest> waitingFlushes = new ArrayList<>();

    private final List<KeptWrites.Kept> resending = new ArrayList<>();
    private Iterator<KeptWrites.Kept> toResend;
    private KeptWrites.Kept nextToResend;
    private IoStatus resendFailure = IoStatus.OK;

    /** The epoch since which nothing that is kept was lost. */
    private long epoch;

    /** Whether a repair failed, so that what is kept may be lost although the epoch is the same. */
    private boolean broken;

    private long repairs;
    private boolean repairing;
    private boolean forcing;
    private int discards;
    private boolean largeInFlight;
    private long largeEpoch;
    private boolean lettingGo;
    private boolean sending;
    private IoContext context;

    /** A filter with the usual bound. */
    public ResendFilter() {
        this(BOUND_BYTES);
    }

    /**
     * @param boundBytes how much memory the copies take at the most
     */
    public ResendFilter(long boundBytes) {
        this.boundBytes = boundBytes;
    }

    /** How much memory the copies take now, in bytes. */
    public long keptBytes() {
        return kept.bytes();
    }

    /** How often everything was sent again. */
    public long repairs() {
        return repairs;
    }

    /** What holds data cannot be told while some of it is only kept here. */
    @Override
    public Set<BlockFeature> features() {
        Set<BlockFeature> features = EnumSet.noneOf(BlockFeature.class);
        features.addAll(next().features());
        features.remove(BlockFeature.EXTENTS);
        return features;
    }

    /** Losses end here. */
    @Override
    public long lossEpoch() {
        return NO_LOSS;
    }

    @Override
    public void submit(BlockRequest request) {
        context = request.context;
        switch (request.op) {
            case READ -> read(request);
            case WRITE, WRITE_ZEROES, DISCARD -> change(request);
            case FLUSH -> flush(request);
            case EXTENTS -> next().submit(request);
        }
    }

    // ---- reads

    /** A read that has to show what is kept. */
    private final class Read implements BlockCompletion {
        private long repairsBefore;

        void start(BlockRequest request) {
            repairsBefore = repairs;
            request.push(this);
            next().submit(request);
        }

        /** What it had to show may have been repaired and forgotten since the device looked. */
        @Override
        public void completed(BlockRequest request) {
            if (request.status == IoStatus.OK && repairs != repairsBefore) {
                start(request);
                return;
            }
            if (request.status == IoStatus.OK && mayBeLost()) {
                kept.putInto(request);
            }
            spareReads.push(this);
            request.complete(request.status);
        }
    }

    /** Whether what is kept may be missing on the device. */
    private boolean mayBeLost() {
        return repairing || broken || next().lossEpoch() != epoch;
    }

    private void read(BlockRequest request) {
        if (kept.isEmpty() && !largeInFlight) {
            next().submit(request);
        } else {
            (spareReads.isEmpty() ? new Read() : spareReads.pop()).start(request);
        }
    }

    // ---- changes

    private void change(BlockRequest request) {
        if (held.isEmpty() && mayStart(request)) {
            start(request);
        } else {
            held.add(request);
            makeRoom();
        }
    }

    private boolean isLarge(BlockRequest request) {
        return KeptWrites.bytesOf(request) > boundBytes / 2;
    }

    private boolean mayStart(BlockRequest request) {
        if (repairing || largeInFlight) {
            return false;
        }
        if (request.op == BlockOp.DISCARD) {
            return true;
        }
        return isLarge(request)
                ? kept.isEmpty()
                : kept.count() < MOST_KEPT
                        && kept.bytes() + KeptWrites.bytesOf(request) <= boundBytes;
    }

    private void start(BlockRequest request) {
        if (request.op == BlockOp.DISCARD) {
            discards++;
            request.push(discarded);
            next().submit(request);
            return;
        }
        if (kept.isEmpty()) {
            epoch = next().lossEpoch();
            broken = false;
        }
        if (isLarge(request)) {
            largeInFlight = true;
            startLarge(request);
            return;
        }
        request.push(kept.keep(request));
        next().submit(request);
    }

    private void discarded(BlockRequest request) {
        discards--;
        beginResend();
        request.complete(request.status);
    }

    private void changed(BlockRequest request) {
        beginResend();
        if (!held.isEmpty() || isHalfFull()) {
            makeRoom();
        }
        request.complete(request.status);
    }

    private boolean isHalfFull() {
        return kept.bytes() > boundBytes / 2 || kept.count() > MOST_KEPT / 2;
    }

    /** A flush of writes that are all in flight would free nothing; the first that ends asks. */
    private void makeRoom() {
        if (!forcing && !repairing && !largeInFlight && kept.areUnflushed()) {
            forcing = true;
            BlockRequest flush = context.acquire().set(BlockOp.FLUSH, 0, 0, 0);
            flush.push(forced);
            flush(flush);
        }
    }

    private void forcedFlushEnded(BlockRequest flush) {
        IoStatus status = flush.status;
        flush.context.release(flush);
        forcing = false;
        if (status != IoStatus.OK) {
            failHeld(status);
        }
        letHeldGo();
    }

    private void failHeld(IoStatus status) {
        List<BlockRequest> failing = List.copyOf(held);
        held.clear();
        failing.forEach(request -> request.complete(status));
    }

    private void letHeldGo() {
        if (lettingGo) {
            return;
        }
        lettingGo = true;
        while (!held.isEmpty() && mayStart(held.peek())) {
            start(held.poll());
        }
        lettingGo = false;
        if (!held.isEmpty() || isHalfFull()) {
            makeRoom();
        }
    }

    // ---- changes that are too large to be kept

    private void startLarge(BlockRequest request) {
        largeEpoch = next().lossEpoch();
        request.push(largeWritten);
        next().submit(request);
    }

    private void largeWritten(BlockRequest request) {
        if (request.status != IoStatus.OK) {
            endLarge(request, request.status);
            return;
        }
        BlockRequest flush = context.acquire().set(BlockOp.FLUSH, 0, 0, 0);
        flush.parent = request;
        flush.push(largeFlushed);
        next().submit(flush);
    }

    private void largeFlushed(BlockRequest flush) {
        BlockRequest request = flush.parent;
        IoStatus status = flush.status;
        context.release(flush);
        if (status == IoStatus.OK && next().lossEpoch() != largeEpoch) {
            repairs++;
            startLarge(request);
        } else {
            endLarge(request, status);
        }
    }

    private void endLarge(BlockRequest request, IoStatus status) {
        largeInFlight = false;
        letHeldGo();
        request.complete(status);
    }

    // ---- flushes

    /** A flush and what it covers. */
    private final class Flush implements BlockCompletion {
        private long covers;

        @Override
        public void completed(BlockRequest request) {
            flushed(request, covers);
            spareFlushes.push(this);
        }
    }

    private void flush(BlockRequest request) {
        if (repairing) {
            waitingFlushes.add(request);
            return;
        }
        Flush flush = spareFlushes.isEmpty() ? new Flush() : spareFlushes.pop();
        flush.covers = kept.completions();
        request.push(flush);
        next().submit(request);
    }

    private void flushed(BlockRequest request, long covers) {
        if (request.status != IoStatus.OK) {
            request.complete(request.status);
            return;
        }
        if (!kept.isEmpty() && mayBeLost()) {
            waitingFlushes.add(request);
            repair();
            return;
        }
        kept.forget(covers);
        letHeldGo();
        request.complete(IoStatus.OK);
    }

    // ---- repair

    /** Begins it, unless it goes on already. */
    private void repair() {
        repairing = true;
        beginResend();
    }

    /** As soon as no change is in flight any more. */
    private void beginResend() {
        if (repairing && toResend == null && kept.inFlight() == 0 && discards == 0) {
            resendAll();
        }
    }

    private void resendAll() {
        epoch = next().lossEpoch();
        resendFailure = IoStatus.OK;
        toResend = kept.oldestFirst();
        nextToResend = following();
        resend();
    }

    private KeptWrites.Kept following() {
        KeptWrites.Kept write = null;
        while (write == null && toResend.hasNext()) {
            write = toResend.next();
            write = write.hasFailed() ? null : write;
        }
        return write;
    }

    private void resend() {
        if (sending) {
            return;
        }
        sending = true;
        while (nextToResend != null && resendFailure == IoStatus.OK && mayResend(nextToResend)) {
            KeptWrites.Kept write = nextToResend;
            nextToResend = following();
            resending.add(write);
            BlockRequest request = context.acquire();
            request.set(write.op, write.flags, write.offset, write.length);
            request.data(write.data, BufferPool.HEADROOM_BYTES);
            request.owner = write;
            request.push(resent);
            next().submit(request);
        }
        sending = false;
        if (resending.isEmpty()) {
            endResend();
        }
    }

    private boolean mayResend(KeptWrites.Kept write) {
        boolean free = resending.size() < MOST_RESENT_AT_ONCE;
        for (int i = 0; i < resending.size() && free; i++) {
            free = !resending.get(i).overlaps(write.offset, write.length);
        }
        return free;
    }

    private void resent(BlockRequest request) {
        resending.remove((KeptWrites.Kept) request.owner);
        if (request.status != IoStatus.OK && resendFailure == IoStatus.OK) {
            resendFailure = request.status;
        }
        context.release(request);
        resend();
    }

    private void endResend() {
        if (resendFailure != IoStatus.OK) {
            endRepair(resendFailure);
            return;
        }
        BlockRequest flush = context.acquire().set(BlockOp.FLUSH, 0, 0, 0);
        flush.push(resentFlushed);
        next().submit(flush);
    }

    private void resentFlushed(BlockRequest flush) {
        IoStatus status = flush.status;
        context.release(flush);
        if (status == IoStatus.OK && next().lossEpoch() != epoch) {
            resendAll();
        } else {
            endRepair(status);
        }
    }

    private void endRepair(IoStatus status) {
        repairing = false;
        toResend = null;
        broken = status != IoStatus.OK;
        if (status == IoStatus.OK) {
            repairs++;
            kept.forget(kept.completions());
        }
        List<BlockRequest> waiting = waitingFlushes;
        waitingFlushes = new ArrayList<>();
        waiting.forEach(request -> request.complete(status));
        letHeldGo();
    }
}
