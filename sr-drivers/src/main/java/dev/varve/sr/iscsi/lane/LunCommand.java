// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.scsi.ScsiOutcome;
import dev.varve.sr.scsi.Sense;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.ffi.Libc;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;

/**
 * A command on its way: a mutable slot, made once and used again and again. It belongs to a lane,
 * not to a session, since it may be carried out by another one than it began on.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class LunCommand {
    /** What it does. */
    enum Kind {
        READ(true, false),
        WRITE(false, true),
        FLUSH(false, false),
        UNMAP(false, true),
        WRITE_SAME(false, true),
        TEST_UNIT_READY(false, false),
        INQUIRE_IDENTITY(true, false),
        READ_CAPACITY(true, false),
        READ_KEYS(true, false),
        REGISTER_KEY(false, true),

        /**
         * Somebody else's, whose block is in the small memory; data come in, go out, or neither.
         */
        OTHER_IN(true, false),
        OTHER_OUT(false, true),
        OTHER(false, false);

        /** Whether data comes in. */
        final boolean reads;

        /** Whether data goes out. */
        final boolean writes;

        Kind(boolean reads, boolean writes) {
            this.reads = reads;
            this.writes = writes;
        }

        /** Whether it changes blocks, so that the order of it and another one counts. */
        boolean changes() {
            return this == WRITE || this == UNMAP || this == WRITE_SAME;
        }
    }

    /** How it ended. */
    enum End {
        /** The target has said so: see {@link #status}. */
        STATUS,
        /** The target could not carry it out, or said so in a way that makes no sense. */
        FAILED,
        /** It was aborted, and the target has confirmed that it does nothing of it any more. */
        ABORTED
    }

    /** How many R2T of a command can be open. */
    static final int MOST_R2T = 16;

    /** A small memory of its own, for parameters that go out. */
    static final int SCRATCH_BYTES = 64;

    // ---- what to do

    /** What it does. */
    Kind kind;

    /**
     * Whose part it is; null for the commands of a path itself, and when the request has failed.
     */
    BlockRequest request;

    /** Where the range begins on the unit, in bytes. */
    long start;

    /** How long the range is, in bytes. */
    long length;

    /** Whether what is written must be durable. */
    boolean durable;

    /** For WRITE_SAME: whether the space may be given back. */
    boolean unmaps;

    /** How many bytes after the range are still to be done by the same command, over again. */
    long restBytes;

    /** How many bytes move between the target and us. */
    int expectedBytes;

    /** The memory that the bytes come from or go to. */
    MemorySegment data;

    /** Where they begin in it. */
    long dataAt;

    /** A small memory of its own. */
    final MemorySegment scratch;

    // ---- where it is

    /** Its number in the session. */
    int slot;

    /** Its initiator task tag. */
    int tag;

    /** Its CmdSN. */
    int commandNumber;

    /** How many bytes of data have come. */
    int receivedBytes;

    /** DataSN of the next Data-In, or R2TSN of the next R2T. */
    int nextNumber;

    /** How far the unasked data have been sent, and how far they go. */
    int unaskedAt;

    int unaskedEnd;

    /** How far the target has asked for data. */
    int askedBytes;

    /** R2T that are open: transfer tags, and the parts that are not sent yet. */
    final int[] r2tTag = new int[MOST_R2T];

    final int[] r2tAt = new int[MOST_R2T];
    final int[] r2tEnd = new int[MOST_R2T];
    int r2tFirst;
    int r2tCount;

    /** DataSN of the next Data-Out of the present sequence. */
    int outNumber;

    /** Whether it waits to send data, and who comes after it. */
    boolean sending;

    LunCommand nextToSend;

    /** How many units of the send queue refer to its memory. */
    int queued;

    /** Whether it is over but for those. */
    boolean over;

    /** When it takes too long. */
    long deadlineNanos;

    /** Whether the target was asked to abort it. */
    boolean aborting;

    // ---- how it ended

    End end;

    /** SCSI status. */
    int status;

    /** Sense data, as {@link Sense} packs them. */
    int sense;

    /** Who waits for it, for a command that is somebody else's. */
    CompletableFuture<ScsiOutcome> waiter;

    /** How often it was tried without getting anywhere. */
    int attempts;

    /** When it is tried again at the earliest; 0 at once. */
    long notBeforeNanos;

    /** Since when it is in doubt. */
    long heldSinceNanos;

    /** For the lists that it is in. */
    LunCommand next;

    /** A slot whose small memory is a part of some memory. */
    LunCommand(MemorySegment scratch) {
        this.scratch = scratch;
    }

    /** A slot with a small memory that is never given back. */
    static LunCommand standalone() {
        return new LunCommand(Libc.allocatePages(Libc.pageSize()));
    }

    /** Makes it a new one, which has not been tried yet. */
    LunCommand set(Kind newKind, BlockRequest newRequest, long newStart, long newLength) {
        kind = newKind;
        request = newRequest;
        start = newStart;
        length = newLength;
        durable = false;
        unmaps = false;
        restBytes = 0;
        expectedBytes = 0;
        data = null;
        dataAt = 0;
        attempts = 0;
        notBeforeNanos = 0;
        heldSinceNanos = 0;
        next = null;
        return this;
    }

    /** Says which bytes move. */
    LunCommand move(MemorySegment memory, long at, int bytes) {
        data = memory;
        dataAt = at;
        expectedBytes = bytes;
        return this;
    }

    /** Forgets how it went on the session before. */
    void begin() {
        receivedBytes = 0;
        nextNumber = 0;
        unaskedAt = 0;
        unaskedEnd = 0;
        askedBytes = 0;
        r2tFirst = 0;
        r2tCount = 0;
        outNumber = 0;
        sending = false;
        nextToSend = null;
        queued = 0;
        over = false;
        aborting = false;
        end = null;
        status = 0;
        sense = Sense.NONE;
        notBeforeNanos = 0;
    }

    /** Additional sense code and its qualifier, or 0. */
    int senseCode() {
        return sense == Sense.NONE ? 0 : Sense.codeAndQualifier(sense);
    }

    /** Lets go of what it refers to. */
    void clear() {
        request = null;
        waiter = null;
        data = null;
        next = null;
        nextToSend = null;
    }

    @Override
    public String toString() {
        return "%s %d+%d tag %x".formatted(kind, start, length, tag);
    }
}
