// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

import dev.varve.sr.spi.PathHealth;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockDevice;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.ffi.Libc;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * One path to a LUN.
 *
 * <p>It is let go of when it is retired and nothing is under way on it any more; whoever uses it
 * {@linkplain #enter enters} before and {@linkplain #leave leaves} after.
 *
 * <p><b>Threads:</b> any.
 */
final class DiskPath {
    /** Added to the count of users when nobody may enter any more. */
    private static final int RETIRED = 1 << 30;

    private volatile PathCandidate candidate;
    private final PathDevice open;
    private final BlockCompletion ended;
    private final AtomicInteger users = new AtomicInteger();
    private volatile boolean healthy = true;
    private volatile boolean checking;
    private volatile long failures;
    private volatile String lastError = "";

    /**
     * @param ended is told of requests that end on this path
     */
    DiskPath(PathCandidate candidate, PathDevice open, Ended ended) {
        this.candidate = candidate;
        this.open = open;
        this.ended = request -> ended.ended(this, request);
    }

    /** Told on the lane when a request has ended on a path. */
    interface Ended {
        void ended(DiskPath path, BlockRequest request);
    }

    /** What it is. */
    PathCandidate candidate() {
        return candidate;
    }

    /** The host tells something new of it. */
    void update(PathCandidate now) {
        candidate = now;
    }

    /** What is open of it. */
    PathDevice open() {
        return open;
    }

    /** For lanes. */
    BlockDevice device() {
        return open.device();
    }

    /** To be pushed on a request before it takes this path. */
    BlockCompletion completion() {
        return ended;
    }

    // ---- users

    /** Begins to use it; false when it is retired. */
    boolean enter() {
        if (users.incrementAndGet() < RETIRED) {
            return true;
        }
        leave(Runnable::run);
        return false;
    }

    /**
     * Ends a use.
     *
     * @param closer closes what is open, if this was the last use of a retired path
     */
    void leave(Executor closer) {
        if (users.decrementAndGet() == RETIRED) {
            letGo(closer);
        }
    }

    /** Lets nobody enter any more. Called once. */
    void retire() {
        healthy = false;
        if (users.addAndGet(RETIRED) == RETIRED) {
            letGo(Runnable::run);
        }
    }

    /** Late comers that are refused take the count there again; only the first one closes. */
    private void letGo(Executor closer) {
        if (users.compareAndSet(RETIRED, RETIRED + RETIRED / 2)) {
            closer.execute(open.letGo());
        }
    }

    // ---- health

    /** Whether requests may take it. */
    boolean isHealthy() {
        return healthy;
    }

    /** It has failed. */
    synchronized void fail(String error) {
        failures++;
        lastError = error;
        healthy = false;
    }

    /** It works again. */
    void heal() {
        healthy = true;
    }

    /** Claims the right to check it; false when somebody has it. */
    synchronized boolean beginCheck() {
        boolean begins = !checking;
        checking = true;
        return begins;
    }

    /** The check is over. */
    void endCheck() {
        checking = false;
    }

    /**
     * Whether a request that failed did so for this path.
     *
     * @return what the path's error is, or null when it is not to blame
     */
    String blame(BlockRequest request) {
        if (request.status == IoStatus.OK) {
            return null;
        }
        // The outcome is that of an earlier use when the request never came as far as the file.
        int outcome = request.io.outcome();
        boolean fits = outcome < 0 && IoStatus.ofError(outcome) == request.status;
        if (fits && PathErrors.isOfPath(outcome)) {
            return Libc.errorName(outcome);
        }
        return isGone() ? "unplugged" : null;
    }

    /** The same for a transfer of somebody who waits. */
    String blame(long result) {
        if (result < 0 && PathErrors.isOfPath(result)) {
            return Libc.errorName((int) result);
        }
        return result <= 0 && isGone() ? "unplugged" : null;
    }

    /** The kernel takes the size from a device that was unplugged, and nothing else. */
    boolean isGone() {
        return open.transfers().size() <= 0;
    }

    /** Reads its first block; fails as the path does. Blocks. */
    void check() {
        int block = candidate.blockBytes();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(block, Math.max(4096, block));
            long result = open.transfers().read(memory.address(), block, 0);
            if (result < block) {
                throw failure(result);
            }
        }
    }

    private StorageException failure(long result) {
        String error = result < 0 ? Libc.errorName((int) result) : "unplugged";
        return ErrorCode.SR_UNAVAILABLE.because(
                "the path " + candidate.describe() + " fails: " + error);
    }

    /** How it does. */
    PathHealth health(String scsiId) {
        return new PathHealth(scsiId, candidate.describe(), healthy, failures, lastError);
    }
}
