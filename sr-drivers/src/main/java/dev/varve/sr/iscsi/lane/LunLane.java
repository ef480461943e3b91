// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.scsi.ScsiOutcome;
import dev.varve.sr.scsi.ScsiStatus;
import dev.varve.sr.scsi.Sense;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Invariant;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.ffi.Libc;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * What a lane has of a unit: its paths, and the requests that wait for one.
 *
 * <p>Requests are cut into commands in the order in which they came, and commands go to the paths
 * that are up, one after the other. A command that changes something and whose end is not known is
 * in doubt with its path until the path's old nexus has ended, and is sent again only then; until
 * then nothing that overlaps it is sent, by any path of any lane ({@link Doubts}). That holds for
 * commands whose request was given up meanwhile as well: the target might still carry them out.
 * Reads and flushes that were lost change nothing and are sent again at once.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class LunLane {
    private static final Logger LOG = LoggerFactory.getLogger(LunLane.class);
    private static final int MOST_COMMANDS = 512;
    private static final int MOST_ATTEMPTS = 5;
    private static final int MOST_ATTENTIONS = 100;
    private static final long TICK_NANOS = TimeUnit.MILLISECONDS.toNanos(250);
    private static final long LATER_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final IoContext context;
    private final LunDevice device;
    private final LunPath[] paths;
    private final MemorySegment scratch;
    private final LaneTimer ticker = new LaneTimer(this::tick);
    private final RequestList waiting = new RequestList();

    /** Requests that overlap something in doubt, of this lane or of another one. */
    private final RequestList blocked = new RequestList();

    private long blockedSinceNanos;
    private LunCommand free;
    private LunCommand firstAgain;
    private LunCommand lastAgain;
    private int turn;
    private int inDoubt;
    private boolean pumping;
    private boolean changed;
    private boolean refusing;
    private long noPathSinceNanos;
    private boolean closed;
    private int closedPaths;
    private Runnable whenClosed;

    LunLane(IoContext context, LunDevice device, LunPath[] paths) {
        this.context = context;
        this.device = device;
        this.paths = paths;
        noPathSinceNanos = context.clock().nanoTime();
        scratch = Libc.allocatePages((long) MOST_COMMANDS * LunCommand.SCRATCH_BYTES);
        for (int i = 0; i < MOST_COMMANDS; i++) {
            long at = (long) i * LunCommand.SCRATCH_BYTES;
            release(new LunCommand(scratch.asSlice(at, LunCommand.SCRATCH_BYTES)));
        }
    }

    IoContext context() {
        return context;
    }

    /** Its paths, in the order of the portals. */
    LunPath[] paths() {
        return paths;
    }

    /** Whether something was changed through this lane, ever. */
    boolean hasChanged() {
        return changed;
    }

    private void release(LunCommand command) {
        command.clear();
        command.next = free;
        free = command;
    }

    // ---- requests

    /** Takes a request. */
    void submit(BlockRequest request) {
        if (closed) {
            request.complete(IoStatus.CANCELLED);
        } else if (request.op == BlockOp.EXTENTS) {
            request.complete(IoStatus.NOT_SUPPORTED);
        } else if (refusing) {
            request.complete(IoStatus.TIMED_OUT);
        } else {
            changed |= request.op.changes();
            waiting.add(request);
            pump();
        }
    }

    /** Starts what can be started. */
    void pump() {
        if (pumping) {
            return;
        }
        pumping = true;
        while (startOne()) {
            // another one
        }
        pumping = false;
        watch();
    }

    private boolean startOne() {
        if (firstAgain == null && waiting.isEmpty()) {
            return false;
        }
        LunPath path = choose();
        if (path == null) {
            return false;
        }
        LunCommand command = firstAgain == null ? null : takeAgain();
        if (command == null) {
            command = cutNext();
        }
        if (command == null) {
            return false;
        }
        path.session().start(command, device.shape().blockBytes());
        return true;
    }

    private LunPath choose() {
        for (int i = 0; i < paths.length; i++) {
            turn = turn + 1 == paths.length ? 0 : turn + 1;
            LunPath path = paths[turn];
            if (path.isUp() && path.session().canStart()) {
                return path;
            }
        }
        return null;
    }

    /** The next part of the first request that waits, as a command; null when there is none. */
    private LunCommand cutNext() {
        while (!waiting.isEmpty() && free != null) {
            BlockRequest request = waiting.first();
            if (request.firstFailure != IoStatus.OK) {
                waiting.removeFirst();
                request.cursor = request.length;
                endIfDone(request);
                continue;
            }
            LunShape shape = device.shape();
            long part = RequestCutter.partBytes(request, shape);
            if (request.op.changes()
                    && device.doubts().isInDoubt(request.offset + request.cursor, part)) {
                block(waiting.removeFirst());
                continue;
            }
            LunCommand command = free;
            free = command.next;
            RequestCutter.cut(command, request, part, shape);
            request.cursor += part;
            request.pending++;
            if (request.cursor == request.length || request.op == BlockOp.FLUSH) {
                waiting.removeFirst();
            }
            return command;
        }
        return null;
    }

    private void block(BlockRequest request) {
        if (blocked.isEmpty()) {
            blockedSinceNanos = context.clock().nanoTime();
        }
        blocked.add(request);
    }

    // ---- commands that are sent again

    private void again(LunCommand command) {
        command.next = null;
        if (firstAgain == null) {
            firstAgain = command;
        } else {
            lastAgain.next = command;
        }
        lastAgain = command;
    }

    /** The first command that may be sent again now, or null. */
    private LunCommand takeAgain() {
        long now = context.clock().nanoTime();
        LunCommand before = null;
        for (LunCommand each = firstAgain; each != null; each = each.next) {
            boolean due = each.notBeforeNanos == 0 || now - each.notBeforeNanos >= 0;
            boolean safe =
                    !each.kind.changes() || !device.doubts().isInDoubt(each.start, each.length);
            if (due && safe) {
                unlinkAgain(before, each);
                return each;
            }
            before = each;
        }
        return null;
    }

    private void unlinkAgain(LunCommand before, LunCommand command) {
        if (before == null) {
            firstAgain = command.next;
        } else {
            before.next = command.next;
        }
        if (lastAgain == command) {
            lastAgain = before;
        }
        command.next = null;
    }

    // ---- the end of commands

    /** The target has said what has become of a command. */
    void ended(LunPath path, LunCommand command) {
        Verdict verdict = Verdict.of(command);
        switch (verdict) {
            case DONE -> finish(command, IoStatus.OK);
            case AGAIN -> tryAgain(command, MOST_ATTEMPTS);
            case ATTENTION -> {
                attention(command.senseCode());
                tryAgain(command, MOST_ATTENTIONS);
            }
            case LATER -> {
                if (command.status != ScsiStatus.CHECK_CONDITION && path.isUp()) {
                    path.session().slowDown();
                }
                tryLater(command);
            }
            case UNKNOWN -> doWithout(command);
            default -> {
                LOG.debug("{} ended with {}", command, describe(command));
                finish(command, verdict.status);
            }
        }
    }

    private static String describe(LunCommand command) {
        return command.status == ScsiStatus.CHECK_CONDITION
                ? Sense.words(command.sense)
                : ScsiStatus.words(command.status);
    }

    private void tryAgain(LunCommand command, int most) {
        if (command.request == null || ++command.attempts > most) {
            LOG.debug("{} is given up: {}, {}", command, command.end, describe(command));
            finish(command, IoStatus.IO_ERROR);
        } else {
            again(command);
        }
    }

    private void tryLater(LunCommand command) {
        long now = context.clock().nanoTime();
        long hold = device.settings().holdNanos();
        if (command.heldSinceNanos == 0) {
            command.heldSinceNanos = now;
        }
        if (hold > 0 && now - command.heldSinceNanos > hold) {
            finish(command, IoStatus.TIMED_OUT);
        } else {
            command.notBeforeNanos = now + LATER_NANOS;
            again(command);
        }
    }

    /** The unit has no such command: there may be another way. */
    private void doWithout(LunCommand command) {
        switch (command.kind) {
            case WRITE_SAME -> {
                device.forgetWriteSame();
                if (command.request != null && command.request.op == BlockOp.DISCARD) {
                    finish(command, IoStatus.OK);
                } else {
                    RequestCutter.toZeros(command, device.shape());
                    again(command);
                }
            }
            // what has no cache needs no flush, and a discard may do nothing
            case FLUSH, UNMAP -> finish(command, IoStatus.OK);
            default -> finish(command, IoStatus.NOT_SUPPORTED);
        }
    }

    private void finish(LunCommand command, IoStatus status) {
        if (status == IoStatus.OK && command.restBytes > 0 && command.request != null) {
            RequestCutter.nextZeros(command, device.shape());
            again(command);
            return;
        }
        BlockRequest request = command.request;
        release(command);
        if (request != null) {
            partEnded(request, status);
        }
    }

    private void partEnded(BlockRequest request, IoStatus status) {
        request.pending--;
        if (status != IoStatus.OK) {
            request.noteFailure(status);
        }
        endIfDone(request);
    }

    /** A request that still waits is ended when it is taken up again. */
    private void endIfDone(BlockRequest request) {
        if (request.pending > 0 || request.cursor < request.length) {
            return;
        }
        boolean flushToo =
                request.has(BlockRequest.FUA)
                        && (request.op == BlockOp.DISCARD || request.op == BlockOp.WRITE_ZEROES)
                        && request.cursor == request.length
                        && request.firstFailure == IoStatus.OK;
        if (flushToo && free != null) {
            flushAfter(request);
        } else {
            request.complete(flushToo ? IoStatus.IO_ERROR : request.firstFailure);
        }
    }

    private void flushAfter(BlockRequest request) {
        LunCommand command = free;
        free = command.next;
        request.cursor = Long.MAX_VALUE;
        request.pending++;
        again(command.set(LunCommand.Kind.FLUSH, request, 0, 0));
        pump();
    }

    // ---- commands of others

    /** Carries out somebody else's command by one path; its end is told to whoever waits. */
    void execute(
            LunPath path,
            byte[] block,
            MemorySegment data,
            boolean out,
            CompletableFuture<ScsiOutcome> waiter) {
        if (free == null || !path.isUp() || !path.session().canStart()) {
            waiter.completeExceptionally(
                    ErrorCode.SR_UNAVAILABLE.because("the path is not up or has too much to do"));
            return;
        }
        LunCommand command = free;
        free = command.next;
        boolean in = !out && data.byteSize() > 0;
        LunCommand.Kind kind =
                out
                        ? LunCommand.Kind.OTHER_OUT
                        : in ? LunCommand.Kind.OTHER_IN : LunCommand.Kind.OTHER;
        command.set(kind, null, 0, 0).move(data, 0, (int) data.byteSize());
        command.waiter = waiter;
        MemorySegment.copy(block, 0, command.scratch, ValueLayout.JAVA_BYTE, 0, block.length);
        path.session().start(command, device.shape().blockBytes());
    }

    /** Tells whoever waits for it how a command has ended. */
    void answer(LunCommand command) {
        CompletableFuture<ScsiOutcome> waiter = command.waiter;
        if (command.end != LunCommand.End.STATUS) {
            refuse(command, "the target did not carry it out");
            return;
        }
        if (Verdict.of(command) == Verdict.ATTENTION) {
            attention(command.senseCode());
        }
        int got = command.kind == LunCommand.Kind.OTHER_IN ? command.receivedBytes : 0;
        byte[] data = command.data.asSlice(0, got).toArray(ValueLayout.JAVA_BYTE);
        ScsiOutcome outcome = new ScsiOutcome(command.status, command.sense, data);
        release(command);
        waiter.complete(outcome);
    }

    /** Tells whoever waits for it that nobody knows how a command has ended. */
    void refuse(LunCommand command, String why) {
        CompletableFuture<ScsiOutcome> waiter = command.waiter;
        release(command);
        waiter.completeExceptionally(ErrorCode.SR_UNAVAILABLE.because(why));
    }

    // ---- what the target tells

    /** Something has happened to the unit. */
    void attention(int senseCode) {
        if (senseCode >> 8 == Sense.RESET_OCCURRED) {
            device.raiseLoss();
        } else if (senseCode == Sense.CAPACITY_CHANGED || senseCode == Sense.LUNS_CHANGED) {
            for (LunPath path : paths) {
                path.measureAgain();
            }
        }
        device.noteAttention(senseCode);
    }

    // ---- paths

    /** A path through which a login ends the old session of another one, or null. */
    LunPath helperFor(LunPath other) {
        for (LunPath path : paths) {
            if (path != other && path.canHelp(other)) {
                return path;
            }
        }
        return null;
    }

    /** Begins to make the paths. */
    void connect() {
        for (LunPath path : paths) {
            path.connect();
        }
    }

    void pathIsUp() {
        refusing = false;
        pump();
    }

    void pathIsDown() {
        if (!isAnyUp()) {
            noPathSinceNanos = context.clock().nanoTime();
        }
        pump();
    }

    private boolean isAnyUp() {
        boolean any = false;
        for (LunPath path : paths) {
            any |= path.isUp();
        }
        return any;
    }

    /** A command was under way when its session broke. */
    void lost(LunPath path, LunCommand command) {
        if (command.kind.changes()) {
            if (command.heldSinceNanos == 0) {
                command.heldSinceNanos = context.clock().nanoTime();
            }
            inDoubt++;
            device.doubts().add(command);
            path.doubt(command);
        } else {
            doubtEnds(command);
        }
    }

    /** The target does nothing of a command any more that was in doubt. */
    void doubtEnded(LunCommand command) {
        inDoubt--;
        boolean last = device.doubts().remove(command);
        doubtEnds(command);
        if (last) {
            device.doubtsEnded(this);
            unblock();
        }
    }

    /** Nothing is in doubt any more, in no lane. */
    void unblock() {
        if (!closed) {
            waiting.addBefore(blocked);
            pump();
        }
    }

    private void doubtEnds(LunCommand command) {
        if (command.request == null) {
            release(command);
        } else if (command.attempts > MOST_ATTEMPTS) {
            finish(command, IoStatus.IO_ERROR);
        } else if (closed) {
            finish(command, IoStatus.CANCELLED);
        } else {
            again(command);
        }
    }

    // ---- patience

    private boolean isSomethingHeld() {
        return firstAgain != null || !waiting.isEmpty() || !blocked.isEmpty() || inDoubt > 0;
    }

    private void watch() {
        if (!ticker.isScheduled() && isSomethingHeld()) {
            context.schedule(ticker, TICK_NANOS);
        }
    }

    private void tick() {
        long hold = device.settings().holdNanos();
        if (hold > 0) {
            long now = context.clock().nanoTime();
            if (!isAnyUp() && now - noPathSinceNanos > hold) {
                refusing = true;
                failHeld(IoStatus.TIMED_OUT);
            }
            if (!blocked.isEmpty() && now - blockedSinceNanos > hold) {
                failAll(blocked, IoStatus.TIMED_OUT);
            }
            failDoubts(now, hold);
        }
        pump();
    }

    private void failHeld(IoStatus status) {
        LunCommand command = firstAgain;
        firstAgain = null;
        lastAgain = null;
        while (command != null) {
            LunCommand following = command.next;
            finish(command, status);
            command = following;
        }
        failAll(waiting, status);
        failAll(blocked, status);
    }

    private void failAll(RequestList list, IoStatus status) {
        RequestList failing = new RequestList();
        failing.addBefore(list);
        while (!failing.isEmpty()) {
            BlockRequest request = failing.removeFirst();
            request.noteFailure(status);
            request.cursor = Math.max(request.cursor, request.length);
            endIfDone(request);
        }
    }

    /** Their requests end, but what overlaps them still has to wait. */
    private void failDoubts(long now, long hold) {
        for (LunPath path : paths) {
            for (LunCommand each = path.firstInDoubt(); each != null; each = each.next) {
                BlockRequest request = each.request;
                if (request != null && now - each.heldSinceNanos > hold) {
                    each.request = null;
                    partEnded(request, IoStatus.TIMED_OUT);
                }
            }
        }
    }

    // ---- the end

    /** Ends all sessions, in order if possible. */
    void close(Runnable done) {
        Invariant.check(whenClosed == null, "a lane gives a unit up once");
        closed = true;
        whenClosed = done;
        ticker.cancel();
        failHeld(IoStatus.CANCELLED);
        for (LunPath path : paths) {
            path.close();
        }
    }

    void pathIsClosed() {
        if (++closedPaths == paths.length) {
            Libc.free(scratch);
            for (LunPath path : paths) {
                path.free();
            }
            whenClosed.run();
        }
    }
}
