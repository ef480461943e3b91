// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.scsi.ScsiOutcome;
import dev.varve.sr.scsi.ScsiPort;
import dev.varve.sr.scsi.ScsiStatus;
import dev.varve.sr.scsi.Sense;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Waiting;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The nexus of a path of a lane, for those who may wait. */
final class PathPort implements ScsiPort {
    private static final int MOST_ATTENTIONS = 32;
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(60);

    private final LunLane lane;
    private final LunPath path;
    private final String name;
    private final Waiting waiting;

    PathPort(LunLane lane, LunPath path, String name, Waiting waiting) {
        this.lane = lane;
        this.path = path;
        this.name = name;
        this.waiting = waiting;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public ScsiOutcome execute(byte[] cdb, byte[] out, int room) {
        ScsiOutcome outcome = once(cdb, out, room);
        for (int i = 0; i < MOST_ATTENTIONS && isAttention(outcome); i++) {
            outcome = once(cdb, out, room);
        }
        return outcome;
    }

    @Override
    public void reset() {
        CompletableFuture<Void> done = new CompletableFuture<>();
        lane.context().execute(() -> path.resetUnit(done));
        await(done);
    }

    private static boolean isAttention(ScsiOutcome outcome) {
        return outcome.status() == ScsiStatus.CHECK_CONDITION
                && Sense.key(outcome.sense()) == Sense.UNIT_ATTENTION;
    }

    private ScsiOutcome once(byte[] cdb, byte[] out, int room) {
        // the target may still fill it when nobody waits any more, so it lives as long as anyone
        // refers to it
        MemorySegment data = Arena.ofAuto().allocate(Math.max(out.length, room), 8);
        MemorySegment.copy(out, 0, data, ValueLayout.JAVA_BYTE, 0, out.length);
        CompletableFuture<ScsiOutcome> done = new CompletableFuture<>();
        lane.context().execute(() -> lane.execute(path, cdb, data, out.length > 0, done));
        return await(done);
    }

    private <T> T await(CompletableFuture<T> done) {
        try {
            return waiting.await(done, PATIENCE_NANOS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ErrorCode.SR_UNAVAILABLE.because(name + ": interrupted", e);
        } catch (TimeoutException e) {
            throw ErrorCode.SR_UNAVAILABLE.because(name + " does not answer", e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof StorageException failure) {
                throw failure;
            }
            throw new IllegalStateException("a command of " + name + " failed", e);
        }
    }
}
