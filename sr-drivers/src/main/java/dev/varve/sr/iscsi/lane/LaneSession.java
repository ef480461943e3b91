// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.iscsi.LoggedIn;
import dev.varve.sr.iscsi.pdu.AsyncMessage;
import dev.varve.sr.iscsi.pdu.BasicHeader;
import dev.varve.sr.iscsi.pdu.DataIn;
import dev.varve.sr.iscsi.pdu.NopIn;
import dev.varve.sr.iscsi.pdu.Opcode;
import dev.varve.sr.iscsi.pdu.ReadyToTransfer;
import dev.varve.sr.iscsi.pdu.Reject;
import dev.varve.sr.iscsi.pdu.ResponseHeader;
import dev.varve.sr.iscsi.pdu.ScsiResponse;
import dev.varve.sr.iscsi.pdu.TaskManagementResponse;
import dev.varve.sr.scsi.ScsiStatus;
import dev.varve.sr.scsi.Sense;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.IoContext;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.io.IoOp;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * A session in full feature phase, one nexus with one unit of a target, that a lane talks to
 * itself.
 *
 * <p>A command that was started ends in one of two ways: {@link Owner#ended} with what the target
 * has said of it, or, when the session breaks, it is among {@link #takeUnfinished}. Only a command
 * of the second kind may have been carried out without our knowing.
 *
 * <p><b>Invariants:</b> at most one receive and one wait for room in the socket are in flight; the
 * session is over when neither is, and only then is memory of its commands free of it.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class LaneSession implements SessionReader.Handler {
    /** Whose session it is. */
    interface Owner {
        /** A command is over; the session refers to its memory no longer. */
        void ended(LaneSession session, LunCommand command);

        /** The session can take commands again, perhaps. */
        void hasRoom(LaneSession session);

        /** The target has told something about its units: {@link Sense} code and qualifier. */
        void told(LaneSession session, int senseCode);

        /** The session is over, and its socket is closed. */
        void broken(LaneSession session, String why);
    }

    private static final long TICK_NANOS = TimeUnit.MILLISECONDS.toNanos(500);
    private static final long LOGOUT_NANOS = TimeUnit.SECONDS.toNanos(2);

    /** Tags: 24 bits that differ from use to use, and one of these or the slot of a command. */
    private static final int SLOT_MASK = 0x7F;

    private static final int ABORT = 0x80;
    private static final int RESET_TAG = 0xFC;
    private static final int LIFE_TAG = 0xFD;
    private static final int LOGOUT_TAG = 0xFE;
    private static final int USE_SHIFT = 8;
    private static final int SENSE_LENGTH_BYTES = 2;
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private final IoContext context;
    private final int fd;
    private final LunSettings settings;
    private final Owner owner;
    private final SessionNumbers numbers;
    private final SendQueue queue;
    private final SessionWriter writer;
    private final SessionReader reader;
    private final IoOp receiveOp = new IoOp(this);
    private final IoOp writableOp = new IoOp(this);
    private final Runnable send = this::send;
    private final LaneTimer ticker = new LaneTimer(this::tick);
    private final LunCommand[] slots = new LunCommand[LunSettings.MOST_OUTSTANDING];
    private final int[] freeSlots = new int[LunSettings.MOST_OUTSTANDING];
    private final ScsiResponse response = new ScsiResponse();
    private final ReadyToTransfer ready = new ReadyToTransfer();
    private final TaskManagementResponse managed = new TaskManagementResponse();
    private final NopIn nop = new NopIn();
    private final AsyncMessage message = new AsyncMessage();
    private final Reject reject = new Reject();
    private final LunCommand unitSense = new LunCommand(MemorySegment.NULL);
    private int freeCount;
    private int limit;
    private int sinceLimited;
    private int use;
    private boolean sendScheduled;
    private boolean askedForLife;
    private long askedAtNanos;
    private long heardAtNanos;
    private boolean leaving;
    private boolean loggingOut;
    private long leaveByNanos;
    private boolean broken;
    private boolean closed;
    private CompletableFuture<Void> reset;
    private String why = "";

    LaneSession(IoContext context, LoggedIn start, long lun, LunSettings settings, Owner owner) {
        this.context = context;
        this.fd = start.fd();
        this.settings = settings;
        this.owner = owner;
        numbers = new SessionNumbers(start);
        queue = new SendQueue(start.negotiated().headerDigest(), start.negotiated().dataDigest());
        writer = new SessionWriter(queue, start.negotiated(), numbers, lun);
        reader = new SessionReader(start.negotiated(), this);
        limit = settings.outstanding();
        for (int i = 0; i < slots.length; i++) {
            freeSlots[i] = slots.length - 1 - i;
        }
        freeCount = slots.length;
        receiveOp.kind = IoOp.Kind.RECEIVE;
        receiveOp.socket = fd;
        receiveOp.completion = this::received;
        writableOp.kind = IoOp.Kind.POLL_WRITABLE;
        writableOp.socket = fd;
        writableOp.completion = this::becameWritable;
    }

    /** Begins to listen. */
    void open() {
        heardAtNanos = context.clock().nanoTime();
        context.schedule(ticker, TICK_NANOS);
        receive();
    }

    /** How many commands are outstanding. */
    int outstanding() {
        return slots.length - freeCount;
    }

    /** Whether a command can be started now. */
    boolean canStart() {
        return !broken && !leaving && outstanding() < limit && writer.canStart();
    }

    /** Starts a command; it can be started. */
    void start(LunCommand command, int blockBytes) {
        command.begin();
        command.slot = freeSlots[--freeCount];
        slots[command.slot] = command;
        use++;
        command.tag = (use << USE_SHIFT) | command.slot;
        command.deadlineNanos = context.clock().nanoTime() + settings.commandNanos();
        writer.start(command, blockBytes);
        scheduleSend();
    }

    /** The target is busy: asks less of it for a while. */
    void slowDown() {
        limit = Math.max(1, outstanding() / 2);
        sinceLimited = 0;
    }

    private void speedUp() {
        if (limit < settings.outstanding() && ++sinceLimited > limit) {
            limit++;
            sinceLimited = 0;
        }
    }

    private LunCommand ofTag(int tag) {
        LunCommand command = slots[tag & SLOT_MASK];
        return command != null && command.tag == tag && !command.over ? command : null;
    }

    // ---- sending

    private void scheduleSend() {
        if (!sendScheduled) {
            sendScheduled = true;
            context.atEndOfTurn(send);
        }
    }

    private void send() {
        sendScheduled = false;
        if (broken || writableOp.isInFlight()) {
            return;
        }
        writer.fill();
        while (!queue.isEmpty()) {
            long sent = queue.send(fd, this);
            if (sent == -Libc.EAGAIN) {
                context.io().submit(writableOp);
                break;
            }
            if (sent < 0 && sent != -Libc.EINTR) {
                fail("cannot send: " + Libc.errorName((int) sent));
                return;
            }
            writer.fill();
        }
        owner.hasRoom(this);
    }

    private void becameWritable(IoOp op, int result) {
        if (broken) {
            closeIfIdle();
        } else if (result < 0) {
            fail("cannot send: " + Libc.errorName(result));
        } else {
            send();
        }
    }

    /** The last unit of a command that is over has left the send queue. */
    void drained(LunCommand command) {
        giveBack(command);
    }

    // ---- receiving

    private void receive() {
        reader.prepare();
        receiveOp.address = reader.address();
        receiveOp.length = reader.room();
        context.io().submit(receiveOp);
    }

    private void received(IoOp op, int count) {
        if (broken) {
            closeIfIdle();
            return;
        }
        if (count <= 0) {
            boolean again = count == -Libc.EINTR || count == -Libc.EAGAIN;
            if (again) {
                receive();
            } else {
                String error = count == 0 ? "the target has closed it" : Libc.errorName(count);
                fail("the connection is gone: " + error);
            }
            return;
        }
        heardAtNanos = context.clock().nanoTime();
        askedForLife = false;
        reader.received(count);
        reader.consume();
        if (broken) {
            closeIfIdle();
        } else {
            receive();
            owner.hasRoom(this);
        }
    }

    @Override
    public boolean isBroken() {
        return broken;
    }

    @Override
    public void violated(String what) {
        fail("the target has sent " + what);
    }

    @Override
    public LunCommand dataBegin(DataIn header) {
        LunCommand command = ofTag(header.initiatorTaskTag());
        boolean acceptable =
                command != null
                        && command.kind.reads
                        && header.bufferOffset() == command.receivedBytes
                        && header.dataNumber() == command.nextNumber
                        && header.dataSegmentBytes()
                                <= command.expectedBytes - command.receivedBytes;
        return acceptable ? command : null;
    }

    @Override
    public void dataEnd(DataIn header, LunCommand command) {
        numbers.noteWindow(header);
        command.receivedBytes += header.dataSegmentBytes();
        command.nextNumber++;
        if (header.hasStatus()) {
            numbers.noteStatus(header);
            command.status = header.status();
            end(command, LunCommand.End.STATUS);
        }
    }

    @Override
    public void arrived(ResponseHeader header, MemorySegment memory, long at, long dataAt) {
        numbers.noteWindow(header);
        switch (header.opcode()) {
            case Opcode.SCSI_RESPONSE -> responded(memory, at, dataAt);
            case Opcode.READY_TO_TRANSFER -> asked(memory, at);
            case Opcode.TASK_MANAGEMENT_RESPONSE -> managed(memory, at);
            case Opcode.NOP_IN -> gaveLife(memory, at);
            case Opcode.ASYNC_MESSAGE -> told(memory, at, dataAt);
            case Opcode.LOGOUT_RESPONSE -> fail(why.isEmpty() ? "logged out" : why);
            case Opcode.REJECT -> rejected(memory, at, dataAt);
            default -> violated("something unknown: %02xh".formatted(header.opcode()));
        }
    }

    private void responded(MemorySegment memory, long at, long dataAt) {
        response.wrap(memory, at);
        numbers.noteStatus(response);
        LunCommand command = ofTag(response.initiatorTaskTag());
        if (command == null) {
            return; // of a command that was aborted meanwhile
        }
        boolean complete = response.response() == ScsiResponse.COMPLETED;
        command.status = response.status();
        if (complete && command.status == ScsiStatus.CHECK_CONDITION) {
            readSense(memory, dataAt, response.dataSegmentBytes(), command);
        }
        boolean shortened = response.hasUnderflow() && response.residualBytes() != 0;
        // for parameters that go out, targets do not agree on what they count
        boolean wrong =
                command.status == ScsiStatus.GOOD
                        && shortened
                        && command.kind == LunCommand.Kind.WRITE;
        end(command, complete && !wrong ? LunCommand.End.STATUS : LunCommand.End.FAILED);
    }

    /** Their length stands before them, in two bytes. */
    private static void readSense(MemorySegment memory, long at, int bytes, LunCommand command) {
        if (bytes > SENSE_LENGTH_BYTES) {
            int said = Short.toUnsignedInt(memory.get(SHORT, at));
            int there = Math.min(said, bytes - SENSE_LENGTH_BYTES);
            command.sense = Sense.parse(memory, at + SENSE_LENGTH_BYTES, there);
        }
    }

    private void asked(MemorySegment memory, long at) {
        ready.wrap(memory, at);
        LunCommand command = ofTag(ready.initiatorTaskTag());
        if (command == null || !writer.asked(command, ready)) {
            violated("a request for data that it may not ask for");
        } else {
            scheduleSend();
        }
    }

    private void managed(MemorySegment memory, long at) {
        managed.wrap(memory, at);
        numbers.noteStatus(managed);
        int tag = managed.initiatorTaskTag();
        if ((tag & 0xFF) == RESET_TAG) {
            unitWasReset(managed.response());
            return;
        }
        LunCommand command = (tag & ABORT) != 0 ? ofTag(tag & ~ABORT) : null;
        if (command == null || !command.aborting) {
            return; // it has ended by itself meanwhile
        }
        int said = managed.response();
        if (said == TaskManagementResponse.COMPLETE
                || said == TaskManagementResponse.NO_SUCH_TASK) {
            end(command, LunCommand.End.ABORTED);
        } else {
            fail("the target did not abort a command: response " + said);
        }
    }

    /** Tells when everything at the unit has ended; false when that cannot be asked for now. */
    boolean resetUnit(CompletableFuture<Void> done) {
        if (broken || leaving || reset != null || !writer.hasRoom()) {
            return false;
        }
        reset = done;
        use++;
        writer.resetUnit((use << USE_SHIFT) | RESET_TAG);
        scheduleSend();
        return true;
    }

    /** The target ends our commands without a word, so the session begins anew. */
    private void unitWasReset(int said) {
        CompletableFuture<Void> done = reset;
        reset = null;
        if (done == null) {
            violated("an answer to a reset that nobody has asked for");
        } else if (said == TaskManagementResponse.COMPLETE) {
            done.complete(null);
            fail("the unit was reset");
        } else {
            ErrorCode code =
                    said == TaskManagementResponse.NOT_SUPPORTED
                            ? ErrorCode.SR_NOT_IMPLEMENTED
                            : ErrorCode.SR_IO_ERROR;
            done.completeExceptionally(code.because("the unit was not reset: response " + said));
        }
    }

    private void gaveLife(MemorySegment memory, long at) {
        nop.wrap(memory, at);
        if (nop.initiatorTaskTag() != BasicHeader.NO_TAG) {
            numbers.noteStatus(nop);
        }
        if (nop.wantsAnswer() && writer.hasRoom()) {
            writer.answerForLife(nop.targetTransferTag(), nop.lun());
            scheduleSend();
        }
    }

    private void told(MemorySegment memory, long at, long dataAt) {
        message.wrap(memory, at);
        numbers.noteStatus(message);
        switch (message.event()) {
            case AsyncMessage.SCSI_EVENT -> {
                LunCommand none = unitSense;
                none.sense = Sense.NONE;
                readSense(memory, dataAt, message.dataSegmentBytes(), none);
                owner.told(this, none.senseCode());
            }
            case AsyncMessage.LOGOUT_WANTED, AsyncMessage.NEGOTIATION_WANTED ->
                    leave("the target wants a new login");
            case AsyncMessage.CONNECTION_DROPPED, AsyncMessage.SESSION_DROPPED ->
                    fail("the target drops the session");
            default -> {
                // of the vendor; RFC 7143 leaves it open what that means, and nothing has to be
                // done
            }
        }
    }

    /** The header that the target does not take is in the data segment. */
    private void rejected(MemorySegment memory, long at, long dataAt) {
        reject.wrap(memory, at);
        numbers.noteStatus(reject);
        if (reject.dataSegmentBytes() >= BasicHeader.BYTES) {
            LunCommand command = ofTag(memory.get(INT, dataAt + 16));
            if (command != null) {
                command.attempts++;
            }
        }
        fail("the target rejects what it was sent: reason %02xh".formatted(reject.reason()));
    }

    // ---- the end of commands

    private void end(LunCommand command, LunCommand.End how) {
        boolean lacks =
                how == LunCommand.End.STATUS
                        && command.status == ScsiStatus.GOOD
                        && command.kind == LunCommand.Kind.READ
                        && command.receivedBytes != command.expectedBytes;
        command.end = lacks ? LunCommand.End.FAILED : how;
        command.over = true;
        writer.forget(command);
        if (command.queued == 0) {
            giveBack(command);
        }
    }

    private void giveBack(LunCommand command) {
        slots[command.slot] = null;
        freeSlots[freeCount++] = command.slot;
        speedUp();
        owner.ended(this, command);
    }

    // ---- time

    private void tick() {
        if (broken) {
            return;
        }
        long now = context.clock().nanoTime();
        checkDeadlines(now);
        if (!broken) {
            checkLife(now);
        }
        if (!broken && leaving) {
            goOnLeaving(now);
        }
        if (!broken) {
            context.schedule(ticker, TICK_NANOS);
        }
    }

    private void checkDeadlines(long now) {
        for (int i = 0; i < slots.length && !broken; i++) {
            LunCommand command = slots[i];
            if (command == null || now - command.deadlineNanos < 0) {
                continue;
            }
            if (command.aborting || command.over) {
                fail("the target does not end a command");
            } else if (writer.hasRoom()) {
                command.aborting = true;
                command.deadlineNanos = now + settings.abortNanos();
                writer.abort(command, command.tag | ABORT);
                scheduleSend();
            }
        }
    }

    private void checkLife(long now) {
        if (askedForLife) {
            if (now - askedAtNanos > settings.deadNanos()) {
                fail("the target gives no sign of life");
            }
        } else if (now - heardAtNanos > settings.quietNanos() && writer.hasRoom()) {
            askedForLife = true;
            askedAtNanos = now;
            use++;
            writer.askForLife((use << USE_SHIFT) | LIFE_TAG);
            scheduleSend();
        }
    }

    // ---- the end of the session

    /** Takes no more commands, and logs out when those that are outstanding have ended. */
    void leave(String reason) {
        if (!broken && !leaving) {
            leaving = true;
            why = reason;
            leaveByNanos = context.clock().nanoTime() + LOGOUT_NANOS;
            goOnLeaving(context.clock().nanoTime());
        }
    }

    private void goOnLeaving(long now) {
        if (now - leaveByNanos > 0) {
            fail(why);
        } else if (!loggingOut && outstanding() == 0 && writer.hasRoom()) {
            loggingOut = true;
            use++;
            writer.logOut((use << USE_SHIFT) | LOGOUT_TAG);
            scheduleSend();
        }
    }

    /** Ends it at once. */
    void fail(String reason) {
        if (broken) {
            return;
        }
        broken = true;
        why = reason;
        ticker.cancel();
        queue.drop();
        Libc.shutdown(fd);
        // a receive may be under way right now; what follows has to come after it
        context.atEndOfTurn(this::closeIfIdle);
    }

    private void closeIfIdle() {
        if (closed || receiveOp.isInFlight() || writableOp.isInFlight()) {
            return;
        }
        closed = true;
        Libc.close(fd);
        queue.close();
        reader.close();
        endKnown();
        if (reset != null) {
            reset.completeExceptionally(ErrorCode.SR_UNAVAILABLE.because(why));
            reset = null;
        }
        owner.broken(this, why);
    }

    /** Commands whose end was known, and only their data had to leave, are over after all. */
    private void endKnown() {
        for (LunCommand command : slots) {
            if (command != null && command.over) {
                giveBack(command);
            }
        }
    }

    /** Takes a command out that has not ended, or null; only after the session is over. */
    LunCommand takeUnfinished() {
        for (int i = 0; i < slots.length; i++) {
            LunCommand command = slots[i];
            if (command != null) {
                slots[i] = null;
                freeSlots[freeCount++] = i;
                return command;
            }
        }
        return null;
    }
}
