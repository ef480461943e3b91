// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.session;

import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.LoggedIn;
import dev.varve.sr.iscsi.Negotiated;
import dev.varve.sr.iscsi.pdu.AsyncMessage;
import dev.varve.sr.iscsi.pdu.BasicHeader;
import dev.varve.sr.iscsi.pdu.DataIn;
import dev.varve.sr.iscsi.pdu.DataOut;
import dev.varve.sr.iscsi.pdu.LogoutRequest;
import dev.varve.sr.iscsi.pdu.NopIn;
import dev.varve.sr.iscsi.pdu.NopOut;
import dev.varve.sr.iscsi.pdu.Opcode;
import dev.varve.sr.iscsi.pdu.ReadyToTransfer;
import dev.varve.sr.iscsi.pdu.Reject;
import dev.varve.sr.iscsi.pdu.RequestHeader;
import dev.varve.sr.iscsi.pdu.ResponseHeader;
import dev.varve.sr.iscsi.pdu.ScsiCommand;
import dev.varve.sr.iscsi.pdu.ScsiResponse;
import dev.varve.sr.iscsi.pdu.SerialNumbers;
import dev.varve.sr.iscsi.pdu.TaskManagementRequest;
import dev.varve.sr.iscsi.pdu.TaskManagementResponse;
import dev.varve.sr.iscsi.wire.ConnectionLostException;
import dev.varve.sr.iscsi.wire.PduChannel;
import dev.varve.sr.iscsi.wire.TcpSocket;
import dev.varve.sr.scsi.ScsiOutcome;
import dev.varve.sr.scsi.ScsiStatus;
import dev.varve.sr.scsi.Sense;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Optional;

/**
 * The connection of a session, with one command at a time. Data of a write go in the command as far
 * as that was agreed on, the rest when the target asks for it. Anything out of order ends the
 * connection; the command then has no outcome that is known.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class ControlConnection implements AutoCloseable {
    private final LoggedIn session;
    private final Negotiated agreed;
    private final PduChannel channel;
    private final MemorySegment pdu = Arena.ofAuto().allocate(BasicHeader.BYTES, 8);
    private final ScsiCommand command = new ScsiCommand();
    private final DataOut dataOut = new DataOut();
    private final NopOut nopOut = new NopOut();
    private final LogoutRequest logout = new LogoutRequest();
    private final TaskManagementRequest management = new TaskManagementRequest();
    private final TaskManagementResponse managed = new TaskManagementResponse();
    private final ScsiResponse response = new ScsiResponse();
    private final DataIn dataIn = new DataIn();
    private final ReadyToTransfer ready = new ReadyToTransfer();
    private final NopIn nopIn = new NopIn();
    private final Reject reject = new Reject();
    private final AsyncMessage message = new AsyncMessage();
    private int commandNumber;
    private int expectedStatus;
    private int maximumCommand;
    private int tag;

    ControlConnection(LoggedIn session) {
        this.session = session;
        this.agreed = session.negotiated();
        this.channel = new PduChannel(new TcpSocket(session.fd()), agreed.receiveBytes());
        channel.setDigests(agreed.headerDigest(), agreed.dataDigest());
        this.commandNumber = session.nextCommandNumber();
        this.expectedStatus = session.expectedStatusNumber();
        this.maximumCommand = session.maximumCommandNumber();
        for (BasicHeader sent : new BasicHeader[] {command, dataOut, nopOut, logout, management}) {
            sent.wrap(pdu, 0);
        }
        for (BasicHeader got :
                new BasicHeader[] {response, dataIn, ready, nopIn, reject, message, managed}) {
            got.wrap(channel.header(), 0);
        }
    }

    /** The session as it is now, for somebody else to go on with; this object is of no more use. */
    LoggedIn release() {
        channel.socket().release();
        return new LoggedIn(
                session.fd(),
                agreed,
                session.isid(),
                session.tsih(),
                session.portal(),
                session.connection(),
                commandNumber,
                expectedStatus,
                commandNumber,
                maximumCommand);
    }

    // ---- a command

    /** What a command has to do with its data. */
    private static final class Transfer {
        final int tag;
        final long lun;
        final byte[] out;
        final MemorySegment outMemory;
        final byte[] in;
        int received;
        int dataNumber;
        int readyNumber;

        Transfer(int tag, long lun, byte[] out, int room) {
            this.tag = tag;
            this.lun = lun;
            this.out = out;
            this.outMemory = MemorySegment.ofArray(out);
            this.in = new byte[room];
        }
    }

    /** Carries a command out; its status, whatever it is, is the outcome. */
    ScsiOutcome execute(long lun, byte[] cdb, byte[] out, int room, Deadline deadline)
            throws ConnectionLostException {
        while (SerialNumbers.isBefore(maximumCommand, commandNumber)) {
            handle(channel.receive(deadline), null, deadline);
        }
        Transfer transfer = new Transfer(nextTag(), lun, out, room);
        sendCommand(transfer, cdb, deadline);
        while (true) {
            Optional<ScsiOutcome> outcome = handle(channel.receive(deadline), transfer, deadline);
            if (outcome.isPresent()) {
                return outcome.get();
            }
        }
    }

    private int nextTag() {
        tag = tag == Integer.MAX_VALUE ? 1 : tag + 1;
        return tag;
    }

    private void sendCommand(Transfer transfer, byte[] cdb, Deadline deadline)
            throws ConnectionLostException {
        command.begin();
        command.setInitiatorTaskTag(transfer.tag);
        command.setLun(transfer.lun);
        command.setCdb(MemorySegment.ofArray(cdb), 0);
        if (transfer.out.length > 0) {
            command.setWrite();
            command.setExpectedTransferBytes(transfer.out.length);
        } else if (transfer.in.length > 0) {
            command.setRead();
            command.setExpectedTransferBytes(transfer.in.length);
        }
        number(command);
        commandNumber++;
        int immediate = agreed.immediateBytes(transfer.out.length);
        channel.send(pdu, transfer.outMemory, 0, immediate, deadline);
    }

    private void number(RequestHeader header) {
        header.setCommandNumber(commandNumber);
        header.setExpectedStatusNumber(expectedStatus);
    }

    // ---- what comes in

    private Optional<ScsiOutcome> handle(ResponseHeader got, Transfer transfer, Deadline deadline)
            throws ConnectionLostException {
        int maximum = got.maximumCommandNumber();
        if (!SerialNumbers.isBefore(maximum, got.expectedCommandNumber() - 1)) {
            maximumCommand = SerialNumbers.later(maximumCommand, maximum);
        }
        switch (got.opcode()) {
            case Opcode.DATA_IN -> {
                return takeData(own(got, transfer));
            }
            case Opcode.SCSI_RESPONSE -> {
                return Optional.of(end(own(got, transfer)));
            }
            case Opcode.READY_TO_TRANSFER -> sendData(own(got, transfer), deadline);
            case Opcode.NOP_IN -> answerNop(deadline);
            case Opcode.ASYNC_MESSAGE -> heed();
            case Opcode.REJECT ->
                    throw lost("the target rejects a request (reason %02X)", reject.reason());
            default -> throw lost("the target sent an unexpected opcode %02X", got.opcode());
        }
        return Optional.empty();
    }

    private static ConnectionLostException lost(String what, int value) {
        return new ConnectionLostException(what.formatted(value));
    }

    private static Transfer own(ResponseHeader got, Transfer transfer)
            throws ConnectionLostException {
        if (transfer == null || got.initiatorTaskTag() != transfer.tag) {
            throw lost("the target answers a task %08X that there is not", got.initiatorTaskTag());
        }
        return transfer;
    }

    private void countStatus(int number) throws ConnectionLostException {
        if (number != expectedStatus) {
            throw lost("a status got lost before number %d", number);
        }
        expectedStatus++;
    }

    private Optional<ScsiOutcome> takeData(Transfer transfer) throws ConnectionLostException {
        MemorySegment data = channel.data();
        long room = transfer.in.length - (long) transfer.received;
        boolean next =
                dataIn.bufferOffset() == transfer.received
                        && dataIn.dataNumber() == transfer.dataNumber;
        if (!next || data.byteSize() > room) {
            throw lost("the target sent data for another place than %d", transfer.received);
        }
        MemorySegment.copy(
                data,
                ValueLayout.JAVA_BYTE,
                0,
                transfer.in,
                transfer.received,
                (int) data.byteSize());
        transfer.received += (int) data.byteSize();
        transfer.dataNumber++;
        if (!dataIn.hasStatus()) {
            return Optional.empty();
        }
        countStatus(dataIn.statusNumber());
        return Optional.of(outcome(transfer, dataIn.status(), Sense.NONE));
    }

    private static ScsiOutcome outcome(Transfer transfer, int status, int sense) {
        return new ScsiOutcome(status, sense, Arrays.copyOf(transfer.in, transfer.received));
    }

    private ScsiOutcome end(Transfer transfer) throws ConnectionLostException {
        countStatus(response.statusNumber());
        if (response.response() != ScsiResponse.COMPLETED) {
            throw lost("the target could not carry the command out (%02X)", response.response());
        }
        // Some targets send old sense data with a good status.
        int sense =
                response.status() == ScsiStatus.CHECK_CONDITION
                        ? senseOf(channel.data())
                        : Sense.NONE;
        return outcome(transfer, response.status(), sense);
    }

    private static int senseOf(MemorySegment data) {
        if (data.byteSize() < 2) {
            return Sense.NONE;
        }
        int told =
                (data.get(ValueLayout.JAVA_BYTE, 0) & 0xFF) << 8
                        | (data.get(ValueLayout.JAVA_BYTE, 1) & 0xFF);
        return Sense.parse(data, 2, Math.min(told, data.byteSize() - 2));
    }

    private void sendData(Transfer transfer, Deadline deadline) throws ConnectionLostException {
        int start = ready.bufferOffset();
        int length = ready.desiredBytes();
        int asked = ready.targetTransferTag();
        boolean fits =
                start >= 0
                        && length > 0
                        && length <= agreed.maxBurstBytes()
                        && length <= transfer.out.length - start
                        && ready.number() == transfer.readyNumber;
        if (!fits) {
            throw lost("the target asks for data at %d that there are not", start);
        }
        transfer.readyNumber++;
        int number = 0;
        for (int done = 0; done < length; ) {
            int part = Math.min(length - done, agreed.sendBytes());
            dataOut.begin();
            dataOut.setInitiatorTaskTag(transfer.tag);
            dataOut.setLun(transfer.lun);
            dataOut.setTargetTransferTag(asked);
            dataOut.setExpectedStatusNumber(expectedStatus);
            dataOut.setDataNumber(number++);
            dataOut.setBufferOffset(start + done);
            dataOut.setFinal(done + part == length);
            channel.send(pdu, transfer.outMemory, start + done, part, deadline);
            done += part;
        }
    }

    private void answerNop(Deadline deadline) throws ConnectionLostException {
        if (nopIn.initiatorTaskTag() != BasicHeader.NO_TAG) {
            countStatus(nopIn.statusNumber()); // an answer that came too late for whoever asked
        } else if (nopIn.wantsAnswer()) {
            nopOut.begin();
            nopOut.setLun(nopIn.lun());
            nopOut.setTargetTransferTag(nopIn.targetTransferTag());
            number(nopOut);
            channel.send(pdu, deadline);
        }
    }

    /** All events but those of the units end the connection: a new login is what they ask for. */
    private void heed() throws ConnectionLostException {
        countStatus(message.statusNumber());
        if (message.event() != AsyncMessage.SCSI_EVENT) {
            throw lost("the target wants the connection to end (event %d)", message.event());
        }
    }

    // ---- without a command

    /** Takes what has come meanwhile, so that a target that asks for signs of life gets them. */
    void catchUp(Deadline deadline) throws ConnectionLostException {
        while (channel.socket().isReadable()) {
            handle(channel.receive(deadline), null, deadline);
        }
    }

    /** Asks for a sign of life and waits for it. */
    void ping(Deadline deadline) throws ConnectionLostException {
        int own = nextTag();
        nopOut.begin();
        nopOut.setInitiatorTaskTag(own);
        number(nopOut);
        channel.send(pdu, deadline);
        while (true) {
            ResponseHeader got = channel.receive(deadline);
            boolean answer = got.opcode() == Opcode.NOP_IN && got.initiatorTaskTag() == own;
            handle(got, null, deadline);
            if (answer) {
                return;
            }
        }
    }

    /**
     * Resets a unit.
     *
     * @return what has become of it, of {@link TaskManagementResponse}
     */
    int reset(long lun, Deadline deadline) throws ConnectionLostException {
        int own = nextTag();
        management.begin(TaskManagementRequest.LOGICAL_UNIT_RESET);
        management.setInitiatorTaskTag(own);
        management.setLun(lun);
        number(management);
        channel.send(pdu, deadline);
        ResponseHeader got = channel.receive(deadline);
        while (got.opcode() != Opcode.TASK_MANAGEMENT_RESPONSE || got.initiatorTaskTag() != own) {
            handle(got, null, deadline);
            got = channel.receive(deadline);
        }
        countStatus(managed.statusNumber());
        return managed.response();
    }

    /** Ends the session in order. */
    void logOut(Deadline deadline) throws ConnectionLostException {
        logout.begin(LogoutRequest.CLOSE_SESSION);
        logout.setInitiatorTaskTag(nextTag());
        number(logout);
        channel.send(pdu, deadline);
        ResponseHeader got = channel.receive(deadline);
        while (got.opcode() != Opcode.LOGOUT_RESPONSE) {
            handle(got, null, deadline);
            got = channel.receive(deadline);
        }
    }

    @Override
    public void close() {
        channel.close();
    }
}
