// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

import dev.varve.vdi.Invariant;

import java.lang.foreign.MemorySegment;

/**
 * Accepts requests in units of 512 bytes and memory at any address in front of a device that wants
 * larger blocks or aligned memory. Nobody else reads, changes and writes back.
 *
 * <p>A write that covers a block only in part is done as read, change, write back, under a lock on
 * the blocks it touches: any other write to one of these blocks waits, in the order of arrival.
 * Writes of whole blocks take the lock too when the device's blocks are larger than 512 bytes, so
 * that a change in progress never writes old neighbours over them.
 *
 * <p>Data that has to be copied goes through buffers of at most {@value #CHUNK_BYTES} bytes, one
 * for each request at a time.
 */
public final class AlignmentFilter extends BlockFilter {
    private static final int CHUNK_BYTES = 1 << 20;
    private static final int UNIT_BYTES = Geometry.SECTOR_BYTES;

    private final BlockCompletion unlock = this::unlock;
    private final BlockCompletion discarded = this::discarded;
    private final BlockCompletion chunkRead = this::chunkRead;
    private final BlockCompletion chunkDone = this::chunkDone;

    /** A geometry and the one it was made from; every request asks, so it is kept. */
    private record Shape(Geometry behind, Geometry shown) {}

    private volatile Shape shape;
    private BlockRequest[] lockOwners = new BlockRequest[64];
    private long[] lockStarts = new long[64];
    private long[] lockEnds = new long[64];
    private int locks;
    private BlockRequest waitingFirst;
    private BlockRequest waitingLast;

    /** A filter without anything in flight. */
    public AlignmentFilter() {}

    @Override
    public Geometry geometry() {
        Geometry behind = next().geometry();
        Shape known = shape;
        if (known == null || known.behind != behind) {
            known = new Shape(behind, inFrontOf(behind));
            shape = known;
        }
        return known.shown;
    }

    private static Geometry inFrontOf(Geometry behind) {
        return new Geometry(
                behind.sizeBytes(),
                Math.min(UNIT_BYTES, behind.logicalBlockBytes()),
                behind.physicalBlockBytes(),
                1);
    }

    @Override
    public void submit(BlockRequest request) {
        switch (request.op) {
            case FLUSH, EXTENTS -> next().submit(request);
            case READ -> {
                if (fits(request)) {
                    next().submit(request);
                } else {
                    begin(request);
                }
            }
            case DISCARD -> discard(request);
            case WRITE, WRITE_ZEROES -> {
                if (block() > UNIT_BYTES) {
                    lockAndRun(request);
                } else if (fits(request)) {
                    next().submit(request);
                } else {
                    begin(request);
                }
            }
        }
    }

    private int block() {
        return next().geometry().logicalBlockBytes();
    }

    private boolean fits(BlockRequest request) {
        Geometry behind = next().geometry();
        return behind.isAligned(request.offset, request.length)
                && (request.buffer == null
                        || (request.address() & (behind.memoryAlignmentBytes() - 1)) == 0);
    }

    /** Only whole blocks can be given back; what is left of the others stays as it is. */
    private void discard(BlockRequest request) {
        int block = block();
        long start = roundUp(request.offset, block);
        long end = roundDown(request.offset + request.length, block);
        if (start >= end) {
            request.complete(IoStatus.OK);
            return;
        }
        if (block == UNIT_BYTES) {
            next().submit(request);
            return;
        }
        BlockRequest whole = request.context.acquire();
        whole.set(BlockOp.DISCARD, request.flags, start, end - start);
        whole.parent = request;
        whole.push(discarded);
        lockAndRun(whole);
    }

    private void discarded(BlockRequest whole) {
        BlockRequest request = whole.parent;
        IoStatus status = whole.status;
        whole.context.release(whole);
        request.complete(status);
    }

    // ---- locks on blocks

    private void lockAndRun(BlockRequest request) {
        if (isBlocked(request)) {
            request.next = null;
            if (waitingFirst == null) {
                waitingFirst = request;
            } else {
                waitingLast.next = request;
            }
            waitingLast = request;
        } else {
            lock(request);
            run(request);
        }
    }

    private void run(BlockRequest request) {
        request.push(unlock);
        if (fits(request)) {
            next().submit(request);
        } else {
            begin(request);
        }
    }

    private boolean isBlocked(BlockRequest request) {
        long start = roundDown(request.offset, block());
        long end = roundUp(request.offset + request.length, block());
        for (int i = 0; i < locks; i++) {
            if (start < lockEnds[i] && lockStarts[i] < end) {
                return true;
            }
        }
        for (BlockRequest other = waitingFirst; other != null; other = other.next) {
            if (start < roundUp(other.offset + other.length, block())
                    && roundDown(other.offset, block()) < end) {
                return true;
            }
        }
        return false;
    }

    private void lock(BlockRequest request) {
        if (locks == lockOwners.length) {
            lockOwners = java.util.Arrays.copyOf(lockOwners, 2 * locks);
            lockStarts = java.util.Arrays.copyOf(lockStarts, 2 * locks);
            lockEnds = java.util.Arrays.copyOf(lockEnds, 2 * locks);
        }
        lockOwners[locks] = request;
        lockStarts[locks] = roundDown(request.offset, block());
        lockEnds[locks] = roundUp(request.offset + request.length, block());
        locks++;
    }

    private void unlock(BlockRequest request) {
        int index = 0;
        while (lockOwners[index] != request) {
            index++;
        }
        locks--;
        lockOwners[index] = lockOwners[locks];
        lockStarts[index] = lockStarts[locks];
        lockEnds[index] = lockEnds[locks];
        lockOwners[locks] = null;
        BlockRequest waiting = waitingFirst;
        waitingFirst = null;
        waitingLast = null;
        IoStatus status = request.status;
        while (waiting != null) {
            BlockRequest following = waiting.next;
            waiting.next = null;
            lockAndRun(waiting);
            waiting = following;
        }
        request.complete(status);
    }

    // ---- one request in chunks, each through a buffer of its own if it has to be

    private void begin(BlockRequest request) {
        request.cursor = 0;
        nextChunk(request);
    }

    private void nextChunk(BlockRequest request) {
        if (request.cursor == request.length) {
            request.complete(IoStatus.OK);
            return;
        }
        int block = block();
        long start = request.offset + request.cursor;
        long end = request.offset + request.length;
        BlockRequest child = request.context.acquire();
        if (request.op == BlockOp.WRITE_ZEROES
                && start % block == 0
                && roundDown(end, block) > start) {
            child.set(BlockOp.WRITE_ZEROES, request.flags, start, roundDown(end, block) - start);
            child.parent = request;
            child.push(chunkDone);
            next().submit(child);
            return;
        }
        long outerStart = roundDown(start, block);
        long limit = outerStart + CHUNK_BYTES;
        if (request.op == BlockOp.WRITE_ZEROES) {
            limit = outerStart + block;
        }
        long outerEnd = Math.min(limit, roundUp(end, block));
        boolean whole = outerStart == start && outerEnd <= end;
        boolean read = request.op == BlockOp.READ || !whole;
        MemorySegment bounce = request.context.buffers().acquireNow((int) (outerEnd - outerStart));
        child.set(
                read ? BlockOp.READ : BlockOp.WRITE,
                read ? 0 : request.flags & BlockRequest.FUA,
                outerStart,
                outerEnd - outerStart);
        child.data(bounce, BufferPool.HEADROOM_BYTES);
        child.parent = request;
        if (read) {
            child.push(chunkRead);
        } else {
            fill(request, child);
            child.push(chunkDone);
        }
        next().submit(child);
    }

    /** Copies the request's data, or its zeros, over the part of the chunk that it covers. */
    private static void fill(BlockRequest request, BlockRequest child) {
        long from = Math.max(request.offset, child.offset);
        long to = Math.min(request.offset + request.length, child.offset + child.length);
        long at = child.bufferOffset + from - child.offset;
        if (request.op == BlockOp.WRITE_ZEROES) {
            child.buffer.asSlice(at, to - from).fill((byte) 0);
        } else {
            MemorySegment.copy(
                    request.buffer,
                    request.bufferOffset + from - request.offset,
                    child.buffer,
                    at,
                    to - from);
        }
    }

    private void chunkRead(BlockRequest child) {
        BlockRequest request = child.parent;
        if (child.status != IoStatus.OK) {
            finishEarly(child);
            return;
        }
        if (request.op == BlockOp.READ) {
            long from = Math.max(request.offset, child.offset);
            long to = Math.min(request.offset + request.length, child.offset + child.length);
            MemorySegment.copy(
                    child.buffer,
                    child.bufferOffset + from - child.offset,
                    request.buffer,
                    request.bufferOffset + from - request.offset,
                    to - from);
            chunkDone(child);
            return;
        }
        fill(request, child);
        MemorySegment bounce = child.buffer;
        child.set(BlockOp.WRITE, request.flags & BlockRequest.FUA, child.offset, child.length);
        child.data(bounce, BufferPool.HEADROOM_BYTES);
        child.parent = request;
        child.push(chunkDone);
        next().submit(child);
    }

    private void chunkDone(BlockRequest child) {
        if (child.status != IoStatus.OK) {
            finishEarly(child);
            return;
        }
        BlockRequest request = child.parent;
        long end = child.offset + child.length - request.offset;
        Invariant.check(end > request.cursor, "a chunk brings a request forward");
        request.cursor = Math.min(end, request.length);
        giveBack(child);
        nextChunk(request);
    }

    private void finishEarly(BlockRequest child) {
        BlockRequest request = child.parent;
        IoStatus status = child.status;
        giveBack(child);
        request.complete(status);
    }

    private static void giveBack(BlockRequest child) {
        IoContext context = child.context;
        if (child.buffer != null) {
            context.buffers().release(child.buffer);
        }
        context.release(child);
    }

    private static long roundDown(long value, int block) {
        return value & -block;
    }

    private static long roundUp(long value, int block) {
        return (value + block - 1) & -block;
    }
}
