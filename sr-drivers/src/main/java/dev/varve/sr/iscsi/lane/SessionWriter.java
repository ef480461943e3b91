// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.iscsi.Negotiated;
import dev.varve.sr.iscsi.pdu.BasicHeader;
import dev.varve.sr.iscsi.pdu.DataOut;
import dev.varve.sr.iscsi.pdu.LogoutRequest;
import dev.varve.sr.iscsi.pdu.NopOut;
import dev.varve.sr.iscsi.pdu.ReadyToTransfer;
import dev.varve.sr.iscsi.pdu.ScsiCommand;
import dev.varve.sr.iscsi.pdu.TaskManagementRequest;

/**
 * Says what a session has to say: commands with the data that go with them, data that the target
 * has asked for, signs of life, aborts and the logout.
 *
 * <p>Data are cut into units only as the send queue has room; unasked data of a command leave
 * before the next command.
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class SessionWriter {
    /** What is kept free for everything but commands and data. */
    private static final int KEPT_FREE = 16;

    private final SendQueue queue;
    private final Negotiated negotiated;
    private final SessionNumbers numbers;
    private final long lun;
    private final ScsiCommand command = new ScsiCommand();
    private final DataOut data = new DataOut();
    private final NopOut nop = new NopOut();
    private final TaskManagementRequest management = new TaskManagementRequest();
    private final LogoutRequest logout = new LogoutRequest();
    private LunCommand first;
    private LunCommand last;

    SessionWriter(SendQueue queue, Negotiated negotiated, SessionNumbers numbers, long lun) {
        this.queue = queue;
        this.negotiated = negotiated;
        this.numbers = numbers;
        this.lun = lun;
    }

    /** Whether another command can be started. */
    boolean canStart() {
        return queue.room() > KEPT_FREE
                && numbers.isWindowOpen()
                && (first == null || first.unaskedAt == first.unaskedEnd);
    }

    /** Starts a command, whose slot and tag are set. */
    void start(LunCommand task, int blockBytes) {
        command.wrap(queue.memory(), queue.nextHeaderAt());
        command.begin();
        command.setLun(lun);
        command.setInitiatorTaskTag(task.tag);
        command.setExpectedTransferBytes(task.expectedBytes);
        task.commandNumber = numbers.take();
        command.setCommandNumber(task.commandNumber);
        command.setExpectedStatusNumber(numbers.expectedStatus());
        int immediate = 0;
        if (task.kind.reads) {
            command.setRead();
        } else if (task.kind.writes) {
            command.setWrite();
            immediate = negotiated.immediateBytes(task.expectedBytes);
            task.unaskedAt = immediate;
            task.unaskedEnd = negotiated.unsolicitedBytes(task.expectedBytes);
            task.askedBytes = task.unaskedEnd;
        }
        command.setFinal(task.unaskedAt == task.unaskedEnd);
        command.setDataSegmentBytes(immediate);
        CommandBlocks.write(
                task, blockBytes, queue.memory(), queue.nextHeaderAt() + ScsiCommand.CDB_OFFSET);
        queue.add(immediate > 0 ? task : null, task.data, task.dataAt, immediate);
        if (task.unaskedAt < task.unaskedEnd) {
            task.sending = true;
            task.nextToSend = first;
            first = task;
            last = last == null ? task : last;
            fill();
        }
    }

    /** Takes note of what the target asks for; false when it may not ask for that. */
    boolean asked(LunCommand task, ReadyToTransfer header) {
        int at = header.bufferOffset();
        int bytes = header.desiredBytes();
        boolean acceptable =
                task.kind.writes
                        && at == task.askedBytes
                        && bytes > 0
                        && bytes <= task.expectedBytes - at
                        && bytes <= negotiated.maxBurstBytes()
                        && header.number() == task.nextNumber
                        && task.r2tCount < LunCommand.MOST_R2T;
        if (!acceptable) {
            return false;
        }
        int slot = (task.r2tFirst + task.r2tCount) % LunCommand.MOST_R2T;
        task.r2tTag[slot] = header.targetTransferTag();
        task.r2tAt[slot] = at;
        task.r2tEnd[slot] = at + bytes;
        task.r2tCount++;
        task.nextNumber++;
        task.askedBytes += bytes;
        if (!task.sending) {
            task.sending = true;
            task.nextToSend = null;
            if (first == null) {
                first = task;
            } else {
                last.nextToSend = task;
            }
            last = task;
        }
        return true;
    }

    /** Puts as many data units into the queue as there is room for. */
    void fill() {
        while (first != null && queue.room() > KEPT_FREE) {
            LunCommand task = first;
            if (task.unaskedAt < task.unaskedEnd) {
                task.unaskedAt = piece(task, BasicHeader.NO_TAG, task.unaskedAt, task.unaskedEnd);
            } else if (task.r2tCount > 0) {
                answer(task, task.r2tFirst);
            } else {
                remove(task);
            }
        }
    }

    private void answer(LunCommand task, int slot) {
        int end = task.r2tEnd[slot];
        task.r2tAt[slot] = piece(task, task.r2tTag[slot], task.r2tAt[slot], end);
        if (task.r2tAt[slot] == end) {
            task.r2tFirst = (slot + 1) % LunCommand.MOST_R2T;
            task.r2tCount--;
        }
    }

    private int piece(LunCommand task, int transferTag, int at, int end) {
        int bytes = Math.min(negotiated.sendBytes(), end - at);
        data.wrap(queue.memory(), queue.nextHeaderAt());
        data.begin();
        data.setLun(lun);
        data.setInitiatorTaskTag(task.tag);
        data.setTargetTransferTag(transferTag);
        data.setExpectedStatusNumber(numbers.expectedStatus());
        data.setDataNumber(task.outNumber++);
        data.setBufferOffset(at);
        data.setDataSegmentBytes(bytes);
        boolean lastOfSequence = at + bytes == end;
        data.setFinal(lastOfSequence);
        if (lastOfSequence) {
            task.outNumber = 0;
        }
        queue.add(task, task.data, task.dataAt + at, bytes);
        return at + bytes;
    }

    /** Sends no more data of a command that is over. */
    void forget(LunCommand task) {
        if (task.sending) {
            task.unaskedAt = task.unaskedEnd;
            task.r2tCount = 0;
            remove(task);
        }
    }

    private void remove(LunCommand task) {
        LunCommand before = null;
        for (LunCommand each = first; each != task; each = each.nextToSend) {
            before = each;
        }
        if (before == null) {
            first = task.nextToSend;
        } else {
            before.nextToSend = task.nextToSend;
        }
        if (last == task) {
            last = before;
        }
        task.sending = false;
        task.nextToSend = null;
    }

    // ---- everything else; it is immediate and uses up no number

    /** Whether there is room for something that is neither a command nor data. */
    boolean hasRoom() {
        return queue.room() > 0;
    }

    /** Asks for a sign of life. */
    void askForLife(int tag) {
        beginNop();
        nop.setInitiatorTaskTag(tag);
        queue.add(null, null, 0, 0);
    }

    /** Gives a sign of life. */
    void answerForLife(int transferTag, long asked) {
        beginNop();
        nop.setTargetTransferTag(transferTag);
        nop.setLun(asked);
        queue.add(null, null, 0, 0);
    }

    private void beginNop() {
        nop.wrap(queue.memory(), queue.nextHeaderAt());
        nop.begin();
        nop.setCommandNumber(numbers.next());
        nop.setExpectedStatusNumber(numbers.expectedStatus());
    }

    /** Asks the target to abort a command. */
    void abort(LunCommand task, int tag) {
        management.wrap(queue.memory(), queue.nextHeaderAt());
        management.begin(TaskManagementRequest.ABORT_TASK);
        management.setLun(lun);
        management.setInitiatorTaskTag(tag);
        management.setReferenced(task.tag, task.commandNumber);
        management.setCommandNumber(numbers.next());
        management.setExpectedStatusNumber(numbers.expectedStatus());
        queue.add(null, null, 0, 0);
    }

    /** Asks the target to end everything at the unit. */
    void resetUnit(int tag) {
        management.wrap(queue.memory(), queue.nextHeaderAt());
        management.begin(TaskManagementRequest.LOGICAL_UNIT_RESET);
        management.setLun(lun);
        management.setInitiatorTaskTag(tag);
        management.setCommandNumber(numbers.next());
        management.setExpectedStatusNumber(numbers.expectedStatus());
        queue.add(null, null, 0, 0);
    }

    /** Ends the session. */
    void logOut(int tag) {
        logout.wrap(queue.memory(), queue.nextHeaderAt());
        logout.begin(LogoutRequest.CLOSE_SESSION);
        logout.setInitiatorTaskTag(tag);
        logout.setCommandNumber(numbers.next());
        logout.setExpectedStatusNumber(numbers.expectedStatus());
        queue.add(null, null, 0, 0);
    }
}
