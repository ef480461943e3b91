// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.BufferPool;
import dev.varve.vdi.block.ExtentList;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.engine.ImageMerge.Direction;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;

/**
 * Copies what one image holds into another one, some pieces at a time, from the start of the disk
 * to its end. The two are views of single images; what is below them does not matter.
 *
 * <p>Downward all that the source holds is copied over what the target holds. Upward only what the
 * target lacks is.
 *
 * <p><b>Invariants:</b> everything before {@link #position()} is copied or in a piece that is being
 * copied; a piece is fenced from the moment at which its content is looked up until it is written.
 *
 * <p><b>Threads:</b> the lane's only, but for {@link #position()}.
 */
final class LayerCopy {
    /** Pieces with data are this long and begin at multiples of it, in bytes. */
    static final int UNIT_BYTES = 512 << 10;

    static final int PIECES = 4;
    private static final long LOOK_AHEAD_BYTES = 1L << 30;
    private static final int MOST_RUNS = 1024;

    /** Keeps a range of the disk for the copy alone. */
    interface Fence {
        /** Nobody else writes. */
        Fence NONE =
                new Fence() {
                    @Override
                    public void close(int piece, long from, long to, Runnable closed) {
                        closed.run();
                    }

                    @Override
                    public void open(int piece) {}

                    @Override
                    public boolean isNeeded() {
                        return false;
                    }
                };

        /**
         * Holds writes to a range back from now on.
         *
         * @param closed run, perhaps at once, when those are over that began before
         */
        void close(int piece, long from, long to, Runnable closed);

        /** Lets writes go on. */
        void open(int piece);

        /** Whether what the source holds may become more meanwhile. */
        boolean isNeeded();
    }

    /** Told that nothing is being copied any more. */
    interface EndListener {
        /**
         * @param status OK when all is copied or {@link #stop} was called
         */
        void ended(IoStatus status);
    }

    private final Lane lane;
    private final ImageDevice source;
    private final ImageDevice target;
    private final Direction direction;
    private final Fence fence;
    private final long sizeBytes;
    private final long bytesPerSecond;
    private final EndListener listener;
    private final ArrayDeque<Piece> idle = new ArrayDeque<>(PIECES);
    private final LaneTimer pause = new LaneTimer(this::pump);
    private final ExtentList ahead = new ExtentList(MOST_RUNS);
    private final BlockRequest look;
    private volatile long position;
    private volatile long copiedBytes;
    private long startNanos;
    private long aheadEnd;
    private long runEnd;
    private int run;
    private boolean looking;
    private boolean pumping;
    private boolean pumpAgain;
    private boolean stopped;
    private boolean ended;
    private IoStatus failure = IoStatus.OK;

    /**
     * @param from where to begin, in bytes; a multiple of {@link #UNIT_BYTES}
     * @param sizeBytes where to end
     * @param bytesPerSecond how fast it may go; 0 for no limit
     */
    LayerCopy(
            Lane lane,
            ImageDevice source,
            ImageDevice target,
            Direction direction,
            Fence fence,
            long from,
            long sizeBytes,
            long bytesPerSecond,
            EndListener listener) {
        this.lane = lane;
        this.source = source;
        this.target = target;
        this.direction = direction;
        this.fence = fence;
        this.position = from;
        this.sizeBytes = sizeBytes;
        this.bytesPerSecond = bytesPerSecond;
        this.listener = listener;
        this.look = lane.acquire();
        for (int i = 0; i < PIECES; i++) {
            idle.add(new Piece(i));
        }
    }

    /** How far it has come, in bytes from the start of the disk. Any thread. */
    long position() {
        return position;
    }

    /** How much data was copied. Any thread. */
    long copiedBytes() {
        return copiedBytes;
    }

    long sizeBytes() {
        return sizeBytes;
    }

    void start() {
        startNanos = lane.clock().nanoTime();
        aheadEnd = position;
        pump();
    }

    /** Begins no new piece; those that are begun are finished. */
    void stop() {
        stopped = true;
        pump();
    }

    /** The first failure. */
    IoStatus failure() {
        return failure;
    }

    /** The copy is of no use any more. */
    void fail(IoStatus status) {
        if (failure == IoStatus.OK) {
            failure = status;
        }
        pump();
    }

    // ---- which piece is next

    /** Begins pieces as long as there are some to begin; called again from within, it goes on. */
    private void pump() {
        pumpAgain = true;
        if (pumping) {
            return;
        }
        pumping = true;
        while (pumpAgain) {
            pumpAgain = false;
            beginPieces();
        }
        pumping = false;
    }

    private void beginPieces() {
        while (!idle.isEmpty() && !ended) {
            boolean over = stopped || failure != IoStatus.OK || position >= sizeBytes;
            if (over) {
                endWhenIdle();
                return;
            }
            if (looking || isTooFast()) {
                return;
            }
            if (position >= aheadEnd) {
                lookAhead();
                return;
            }
            beginPiece();
        }
    }

    private void endWhenIdle() {
        if (idle.size() == PIECES && !looking) {
            ended = true;
            lane.forget(pause);
            idle.forEach(Piece::release);
            lane.release(look);
            listener.ended(failure);
        }
    }

    private boolean isTooFast() {
        if (bytesPerSecond <= 0) {
            return false;
        }
        double due = (double) copiedBytes / bytesPerSecond * TimeUnit.SECONDS.toNanos(1);
        long wait = (long) due - (lane.clock().nanoTime() - startNanos);
        if (wait > 0 && !pause.isScheduled()) {
            lane.schedule(pause, wait);
        }
        return wait > 0;
    }

    /** Finds out where there may be something to copy, for a while ahead. */
    private void lookAhead() {
        looking = true;
        ahead.clear();
        long length = Math.min(LOOK_AHEAD_BYTES, sizeBytes - position);
        look.set(BlockOp.EXTENTS, 0, position, length);
        look.extents = ahead;
        look.push(this::lookedAhead);
        source.submit(look);
    }

    /** Goes on in a moment, so that a large and empty disk keeps the lane from nobody. */
    private void lookedAhead(BlockRequest request) {
        looking = false;
        if (request.status != IoStatus.OK) {
            fail(request.status);
            return;
        }
        run = 0;
        runEnd = position + ahead.length(0);
        aheadEnd = position;
        for (int i = 0; i < ahead.count(); i++) {
            aheadEnd += ahead.length(i);
        }
        lane.atEndOfTurn(this::pump);
    }

    private void beginPiece() {
        while (runEnd <= position) {
            run++;
            runEnd += ahead.length(run);
        }
        long unitEnd = Math.min(sizeBytes, (position / UNIT_BYTES + 1) * UNIT_BYTES);
        boolean hole = !ahead.isData(run) && runEnd >= unitEnd;
        long end = unitEnd;
        if (hole) {
            end = runEnd == sizeBytes ? sizeBytes : runEnd / UNIT_BYTES * UNIT_BYTES;
        }
        long from = position;
        position = end;
        if (hole && !fence.isNeeded()) {
            pumpAgain = true;
            return;
        }
        idle.poll().begin(from, end);
    }

    // ---- pieces

    /** A range that is being copied. */
    private final class Piece {
        private final int number;
        private final BlockRequest request = lane.acquire();
        private final ExtentList own = new ExtentList(MOST_RUNS);
        private final ExtentList below = new ExtentList(MOST_RUNS);
        private MemorySegment buffer;
        private long at;
        private long to;
        private int run;
        private int runBelow;

        /** Where the runs end in which {@link #at} is. */
        private long ownEnd;

        private long belowEnd;
        private int length;

        Piece(int number) {
            this.number = number;
        }

        void begin(long from, long end) {
            at = from;
            to = end;
            fence.close(number, from, end, this::look);
        }

        /** Looks what the image holds whose content decides: the upper one. */
        private void look() {
            if (at >= to || failure != IoStatus.OK) {
                finish();
                return;
            }
            own.clear();
            request.set(BlockOp.EXTENTS, 0, at, to - at);
            request.extents = own;
            request.push(this::looked);
            (direction == Direction.DOWN ? source : target).submit(request);
        }

        private void looked(BlockRequest done) {
            if (failed(done)) {
                return;
            }
            run = 0;
            ownEnd = at + own.length(0);
            if (direction == Direction.DOWN) {
                copyNext();
                return;
            }
            below.clear();
            request.set(BlockOp.EXTENTS, 0, at, to - at);
            request.extents = below;
            request.push(this::lookedBelow);
            source.submit(request);
        }

        private void lookedBelow(BlockRequest done) {
            if (failed(done)) {
                return;
            }
            runBelow = 0;
            belowEnd = at + below.length(0);
            copyNext();
        }

        /** Finds what is to be copied next in the runs that are known. */
        private void copyNext() {
            while (at < to && failure == IoStatus.OK) {
                while (ownEnd <= at && ++run < own.count()) {
                    ownEnd += own.length(run);
                }
                boolean known = run < own.count();
                long end = Math.min(ownEnd, to);
                boolean wanted = known && own.isData(run);
                if (direction == Direction.UP) {
                    while (belowEnd <= at && ++runBelow < below.count()) {
                        belowEnd += below.length(runBelow);
                    }
                    known &= runBelow < below.count();
                    end = Math.min(end, belowEnd);
                    wanted = known && !own.isData(run) && below.isData(runBelow);
                }
                if (!known) {
                    look();
                    return;
                }
                if (wanted) {
                    copy((int) Math.min(UNIT_BYTES, end - at));
                    return;
                }
                at = end;
            }
            finish();
        }

        private void copy(int bytes) {
            if (buffer == null) {
                buffer = lane.buffers().acquireNow(UNIT_BYTES);
            }
            length = bytes;
            request.set(BlockOp.READ, 0, at, bytes).data(buffer, BufferPool.HEADROOM_BYTES);
            request.push(this::read);
            source.submit(request);
        }

        private void read(BlockRequest done) {
            if (failed(done)) {
                return;
            }
            request.set(BlockOp.WRITE, 0, at, length).data(buffer, BufferPool.HEADROOM_BYTES);
            request.push(this::written);
            target.submit(request);
        }

        @SuppressWarnings("NonAtomicVolatileUpdate") // written by the lane
        private void written(BlockRequest done) {
            if (failed(done)) {
                return;
            }
            at += length;
            copiedBytes += length;
            copyNext();
        }

        private boolean failed(BlockRequest done) {
            boolean bad = done.status != IoStatus.OK;
            if (bad) {
                if (failure == IoStatus.OK) {
                    failure = done.status;
                }
                finish();
            }
            return bad;
        }

        private void finish() {
            fence.open(number);
            idle.add(this);
            pump();
        }

        void release() {
            lane.release(request);
            if (buffer != null) {
                lane.buffers().release(buffer);
                buffer = null;
            }
        }
    }
}
