// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.jscsi.parser.AbstractMessageParser;
import org.jscsi.parser.InitiatorMessageParser;
import org.jscsi.parser.OperationCode;
import org.jscsi.parser.ProtocolDataUnit;
import org.jscsi.parser.ProtocolDataUnitFactory;
import org.jscsi.parser.TargetMessageParser;
import org.jscsi.parser.data.DataInParser;
import org.jscsi.parser.data.DataOutParser;
import org.jscsi.parser.logout.LogoutRequestParser;
import org.jscsi.parser.logout.LogoutResponse;
import org.jscsi.parser.logout.LogoutResponseParser;
import org.jscsi.parser.nop.NOPInParser;
import org.jscsi.parser.nop.NOPOutParser;
import org.jscsi.parser.r2t.Ready2TransferParser;
import org.jscsi.parser.reject.RejectParser;
import org.jscsi.parser.scsi.SCSICommandParser;
import org.jscsi.parser.scsi.SCSIResponseParser;
import org.jscsi.parser.scsi.SCSIStatus;
import org.jscsi.parser.tmf.TaskManagementFunctionRequestParser;
import org.jscsi.parser.tmf.TaskManagementFunctionResponseParser;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.Random;

/**
 * The views of headers beside the codec of jSCSI: what one has written the other reads, both ways.
 * Fields are random, of a seed that the repetition gives.
 */
class HeadersTest {
    private static final int BEFORE = 5; // an odd place, since headers may lie anywhere
    private static final int REPETITIONS = 25;

    private final MemorySegment memory = Arena.ofAuto().allocate(BEFORE + BasicHeader.BYTES + 3, 8);
    private final Random random;
    private ProtocolDataUnit read;

    HeadersTest(RepetitionInfo repetition) {
        this.random = new Random(repetition.getCurrentRepetition());
        memory.fill((byte) 0xA5);
    }

    /** The header of a view by jSCSI, which must make the same bytes of it again. */
    private <P extends AbstractMessageParser> P theirs(BasicHeader view, Class<P> type) {
        P parser = readByThem(view, type);
        try {
            byte[] again = new byte[BasicHeader.BYTES];
            read.serialize().rewind().get(again);
            assertArrayEquals(bytes(), again);
        } catch (Exception e) {
            throw new AssertionError("jSCSI does not make the header", e);
        }
        return parser;
    }

    private <P extends AbstractMessageParser> P readByThem(BasicHeader view, Class<P> type) {
        byte[] bytes = bytes();
        ProtocolDataUnit pdu = new ProtocolDataUnitFactory().create("None", "None");
        read = pdu;
        try {
            int data = BasicHeader.padded(view.dataSegmentBytes());
            pdu.deserialize(ByteBuffer.allocate(bytes.length + data).put(bytes).rewind());
        } catch (Exception e) {
            throw new AssertionError("jSCSI refuses the header", e);
        }
        assertEquals(view.isImmediate(), pdu.getBasicHeaderSegment().isImmediateFlag());
        assertEquals(view.isFinal(), pdu.getBasicHeaderSegment().isFinalFlag());
        assertEquals(view.dataSegmentBytes(), pdu.getBasicHeaderSegment().getDataSegmentLength());
        assertEquals(view.initiatorTaskTag(), pdu.getBasicHeaderSegment().getInitiatorTaskTag());
        assertUntouchedAround();
        P parser = type.cast(pdu.getBasicHeaderSegment().getParser());
        assertEquals(view.lun(), parser.getLogicalUnitNumber());
        return parser;
    }

    /** A header made by jSCSI, where a view looks. */
    private void put(ProtocolDataUnit pdu) {
        try {
            byte[] bytes = new byte[BasicHeader.BYTES];
            pdu.serialize().rewind().get(bytes);
            MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, BEFORE, bytes.length);
        } catch (Exception e) {
            throw new AssertionError("jSCSI does not make the header", e);
        }
    }

    private byte[] bytes() {
        return memory.asSlice(BEFORE, BasicHeader.BYTES).toArray(ValueLayout.JAVA_BYTE);
    }

    private void assertUntouchedAround() {
        for (long at : new long[] {BEFORE - 1, BEFORE + BasicHeader.BYTES}) {
            assertEquals((byte) 0xA5, memory.get(ValueLayout.JAVA_BYTE, at));
        }
    }

    private <H extends BasicHeader> H at(H view) {
        view.wrap(memory, BEFORE);
        return view;
    }

    private static ProtocolDataUnit create(boolean immediate, boolean last, OperationCode code) {
        return new ProtocolDataUnitFactory().create(immediate, last, code, "None", "None");
    }

    private void fill(RequestHeader view) {
        view.setInitiatorTaskTag(random.nextInt());
        view.setExpectedStatusNumber(random.nextInt());
    }

    private void fill(ResponseHeader view) {
        view.setStatusNumber(random.nextInt());
        view.setExpectedCommandNumber(random.nextInt());
        view.setMaximumCommandNumber(random.nextInt());
    }

    private static void compare(RequestHeader view, InitiatorMessageParser parser) {
        assertEquals(view.commandNumber(), parser.getCommandSequenceNumber());
        assertEquals(view.expectedStatusNumber(), parser.getExpectedStatusSequenceNumber());
    }

    private static void compare(ResponseHeader view, TargetMessageParser parser) {
        assertEquals(view.statusNumber(), parser.getStatusSequenceNumber());
        assertEquals(view.expectedCommandNumber(), parser.getExpectedCommandSequenceNumber());
        assertEquals(view.maximumCommandNumber(), parser.getMaximumCommandSequenceNumber());
    }

    private static byte[] randomBytes(Random random, int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    @RepeatedTest(REPETITIONS)
    void scsiCommand() {
        ScsiCommand view = at(new ScsiCommand());
        view.begin();
        fill(view);
        view.setCommandNumber(random.nextInt());
        view.setLun(random.nextLong());
        view.setExpectedTransferBytes(random.nextInt() >>> 1);
        view.setRead();
        view.setAttribute(1 + random.nextInt(2));
        view.setDataSegmentBytes(random.nextInt(9000));
        byte[] cdb = randomBytes(random, ScsiCommand.CDB_BYTES);
        view.setCdb(MemorySegment.ofArray(cdb), 0);
        SCSICommandParser parser = theirs(view, SCSICommandParser.class);
        compare(view, parser);
        assertTrue(parser.isReadExpectedFlag());
        assertFalse(parser.isWriteExpectedFlag());
        assertEquals(view.expectedTransferBytes(), parser.getExpectedDataTransferLength());
        assertEquals(view.attribute(), parser.getTaskAttributes().value());
        byte[] theirCdb = new byte[ScsiCommand.CDB_BYTES];
        parser.getCDB().rewind().get(theirCdb);
        assertArrayEquals(cdb, theirCdb);
        assertEquals(cdb[3] & 0xFF, view.cdbByte(3));
    }

    @RepeatedTest(REPETITIONS)
    void scsiCommandOfTheirs() {
        ProtocolDataUnit pdu = create(false, true, OperationCode.SCSI_COMMAND);
        SCSICommandParser parser = (SCSICommandParser) pdu.getBasicHeaderSegment().getParser();
        pdu.getBasicHeaderSegment().setInitiatorTaskTag(random.nextInt());
        parser.setCommandSequenceNumber(random.nextInt());
        parser.setExpectedStatusSequenceNumber(random.nextInt());
        parser.setLogicalUnitNumber(random.nextLong());
        parser.setWriteExpectedFlag(true);
        parser.setExpectedDataTransferLength(random.nextInt() >>> 1);
        parser.setTaskAttributes(SCSICommandParser.TaskAttributes.SIMPLE);
        byte[] cdb = randomBytes(random, ScsiCommand.CDB_BYTES);
        parser.setCommandDescriptorBlock(ByteBuffer.wrap(cdb));
        put(pdu);
        ScsiCommand view = at(new ScsiCommand());
        assertEquals(Opcode.SCSI_COMMAND, view.opcode());
        compare(view, parser);
        assertTrue(view.isWrite());
        assertFalse(view.isRead());
        assertTrue(view.isFinal());
        assertEquals(ScsiCommand.SIMPLE, view.attribute());
        assertEquals(parser.getExpectedDataTransferLength(), view.expectedTransferBytes());
        assertEquals(pdu.getBasicHeaderSegment().getInitiatorTaskTag(), view.initiatorTaskTag());
    }

    @RepeatedTest(REPETITIONS)
    void scsiResponse() {
        ScsiResponse view = at(new ScsiResponse());
        view.begin();
        fill(view);
        view.setInitiatorTaskTag(random.nextInt());
        view.setStatus(2);
        view.setExpectedDataNumber(random.nextInt());
        if (random.nextBoolean()) {
            view.setUnderflow(random.nextInt() >>> 1);
        } else {
            view.setOverflow(random.nextInt() >>> 1);
        }
        view.setDataSegmentBytes(random.nextInt(100));
        SCSIResponseParser parser = theirs(view, SCSIResponseParser.class);
        compare(view, parser);
        assertSame(SCSIStatus.CHECK_CONDITION, parser.getStatus());
        assertEquals(view.response(), parser.getResponse().value());
        assertEquals(view.hasUnderflow(), parser.isResidualUnderflow());
        assertEquals(view.hasOverflow(), parser.isResidualOverflow());
        assertEquals(view.residualBytes(), parser.getResidualCount());
        assertEquals(view.expectedDataNumber(), parser.getExpectedDataSequenceNumber());
    }

    @RepeatedTest(REPETITIONS)
    void dataIn() {
        DataIn view = at(new DataIn());
        view.begin();
        fill(view);
        view.setInitiatorTaskTag(random.nextInt());
        boolean last = random.nextBoolean();
        view.setFinal(last);
        if (last) {
            view.setStatus(0);
            view.setUnderflow(random.nextInt() >>> 1);
        }
        view.setDataNumber(random.nextInt());
        view.setBufferOffset(random.nextInt() >>> 1);
        view.setDataSegmentBytes(random.nextInt(9000));
        // jSCSI reads the bit of underflow where it is, but writes it elsewhere.
        DataInParser parser = readByThem(view, DataInParser.class);
        compare(view, parser);
        assertEquals(last, parser.isStatusFlag());
        assertEquals(view.hasUnderflow(), parser.isResidualUnderflow());
        assertEquals(view.residualBytes(), parser.getResidualCount());
        assertEquals(view.bufferOffset(), parser.getBufferOffset());
        assertEquals(view.dataNumber(), parser.getDataSequenceNumber());
        assertEquals(view.targetTransferTag(), parser.getTargetTaskTag());
    }

    @RepeatedTest(REPETITIONS)
    void dataOut() {
        DataOut view = at(new DataOut());
        view.begin();
        fill(view);
        view.setFinal(random.nextBoolean());
        view.setLun(random.nextLong());
        view.setTargetTransferTag(random.nextInt());
        view.setDataNumber(random.nextInt());
        view.setBufferOffset(random.nextInt());
        view.setDataSegmentBytes(random.nextInt(9000));
        DataOutParser parser = theirs(view, DataOutParser.class);
        assertEquals(view.expectedStatusNumber(), parser.getExpectedStatusSequenceNumber());
        assertEquals(view.targetTransferTag(), parser.getTargetTransferTag());
        assertEquals(view.dataNumber(), parser.getDataSequenceNumber());
        assertEquals(view.bufferOffset(), parser.getBufferOffset());
    }

    @RepeatedTest(REPETITIONS)
    void readyToTransferOfTheirs() {
        ProtocolDataUnit pdu = create(false, true, OperationCode.R2T);
        Ready2TransferParser parser =
                (Ready2TransferParser) pdu.getBasicHeaderSegment().getParser();
        parser.setTargetTransferTag(random.nextInt());
        parser.setReady2TransferSequenceNumber(random.nextInt());
        parser.setBufferOffset(random.nextInt() >>> 1);
        parser.setDesiredDataTransferLength(1 + random.nextInt(1 << 20));
        parser.setStatusSequenceNumber(random.nextInt());
        parser.setExpectedCommandSequenceNumber(random.nextInt());
        parser.setMaximumCommandSequenceNumber(random.nextInt());
        put(pdu);
        ReadyToTransfer view = at(new ReadyToTransfer());
        assertEquals(Opcode.READY_TO_TRANSFER, view.opcode());
        compare(view, parser);
        assertEquals(parser.getTargetTransferTag(), view.targetTransferTag());
        assertEquals(parser.getReady2TransferSequenceNumber(), view.number());
        assertEquals(parser.getBufferOffset(), view.bufferOffset());
        assertEquals(parser.getDesiredDataTransferLength(), view.desiredBytes());
    }

    @RepeatedTest(REPETITIONS)
    void readyToTransfer() {
        ReadyToTransfer view = at(new ReadyToTransfer());
        view.begin();
        fill(view);
        view.setInitiatorTaskTag(random.nextInt());
        view.setTargetTransferTag(random.nextInt() >>> 1);
        view.setNumber(random.nextInt());
        view.setBufferOffset(random.nextInt() >>> 1);
        view.setDesiredBytes(1 + random.nextInt(1 << 20));
        Ready2TransferParser parser = theirs(view, Ready2TransferParser.class);
        compare(view, parser);
        assertEquals(view.targetTransferTag(), parser.getTargetTransferTag());
        assertEquals(view.number(), parser.getReady2TransferSequenceNumber());
        assertEquals(view.bufferOffset(), parser.getBufferOffset());
        assertEquals(view.desiredBytes(), parser.getDesiredDataTransferLength());
    }

    @RepeatedTest(REPETITIONS)
    void nops() {
        NopOut out = at(new NopOut());
        out.begin();
        fill(out);
        out.setCommandNumber(random.nextInt());
        NOPOutParser outParser = theirs(out, NOPOutParser.class);
        compare(out, outParser);
        assertEquals(BasicHeader.NO_TAG, outParser.getTargetTransferTag());

        NopIn in = at(new NopIn());
        in.begin();
        assertFalse(in.wantsAnswer());
        fill(in);
        in.setTargetTransferTag(random.nextInt() >>> 1);
        NOPInParser inParser = theirs(in, NOPInParser.class);
        compare(in, inParser);
        assertTrue(in.wantsAnswer());
        assertEquals(in.targetTransferTag(), inParser.getTargetTransferTag());
    }

    @RepeatedTest(REPETITIONS)
    void taskManagement() {
        TaskManagementRequest request = at(new TaskManagementRequest());
        request.begin(TaskManagementRequest.ABORT_TASK);
        // jSCSI reads these but for the function, and refuses the LUN that belongs here.
        fill(request);
        request.setCommandNumber(random.nextInt());
        request.setReferenced(random.nextInt(), random.nextInt());
        TaskManagementFunctionRequestParser asked =
                readByThem(request, TaskManagementFunctionRequestParser.class);
        compare(request, asked);
        assertEquals((byte) (0x80 | TaskManagementRequest.ABORT_TASK), bytes()[1]);
        assertEquals(request.referencedTaskTag(), asked.getReferencedTaskTag());
        assertEquals(request.referencedCommandNumber(), asked.getRefCmdSN());

        request.begin(TaskManagementRequest.LOGICAL_UNIT_RESET);
        request.setLun(random.nextLong());
        assertEquals((byte) (0x80 | TaskManagementRequest.LOGICAL_UNIT_RESET), bytes()[1]);
        assertEquals(request.lun(), ByteBuffer.wrap(bytes()).getLong(8));
        assertEquals(BasicHeader.NO_TAG, request.referencedTaskTag());

        TaskManagementResponse response = at(new TaskManagementResponse());
        response.begin();
        fill(response);
        response.setInitiatorTaskTag(random.nextInt());
        response.setResponse(TaskManagementResponse.NO_SUCH_TASK);
        TaskManagementFunctionResponseParser answered =
                readByThem(response, TaskManagementFunctionResponseParser.class);
        compare(response, answered);
        assertEquals(TaskManagementResponse.NO_SUCH_TASK, bytes()[2]); // which jSCSI does not read
    }

    @RepeatedTest(REPETITIONS)
    void asyncMessageAndReject() {
        AsyncMessage message = at(new AsyncMessage());
        message.begin(AsyncMessage.LOGOUT_WANTED);
        fill(message);
        message.setParameters(0, 0, random.nextInt(1 << 16));
        // jSCSI has a parser of these, but its factory does not know it: the bytes are looked at.
        ByteBuffer bytes = ByteBuffer.wrap(bytes());
        assertEquals(0x3280_0000, bytes.getInt(0));
        assertEquals(-1, bytes.getInt(16));
        assertEquals(message.statusNumber(), bytes.getInt(24));
        assertEquals(1, bytes.get(36));
        assertEquals((short) message.parameter3(), bytes.getShort(42));

        Reject reject = at(new Reject());
        reject.begin(Reject.PROTOCOL_ERROR);
        fill(reject);
        reject.setDataNumber(random.nextInt());
        reject.setDataSegmentBytes(BasicHeader.BYTES);
        RejectParser refused = theirs(reject, RejectParser.class);
        compare(reject, refused);
        assertEquals(reject.reason(), refused.getReasonCode().value());
    }

    @RepeatedTest(REPETITIONS)
    void logout() {
        LogoutRequest request = at(new LogoutRequest());
        request.begin(LogoutRequest.CLOSE_CONNECTION);
        fill(request);
        request.setCommandNumber(random.nextInt());
        request.setConnection(random.nextInt(1 << 16));
        LogoutRequestParser asked = theirs(request, LogoutRequestParser.class);
        compare(request, asked);
        assertEquals(request.reason(), asked.getReasonCode().value());
        assertEquals((short) request.connection(), asked.getConnectionID());

        ProtocolDataUnit pdu = create(false, true, OperationCode.LOGOUT_RESPONSE);
        LogoutResponseParser answered =
                (LogoutResponseParser) pdu.getBasicHeaderSegment().getParser();
        answered.setResponse(LogoutResponse.CONNECTION_CLOSED_SUCCESSFULLY);
        answered.setTime2Wait((short) random.nextInt(1 << 15));
        answered.setTime2Retain((short) random.nextInt(1 << 15));
        answered.setStatusSequenceNumber(random.nextInt());
        put(pdu);
        dev.varve.sr.iscsi.pdu.LogoutResponse response =
                at(new dev.varve.sr.iscsi.pdu.LogoutResponse());
        assertEquals(Opcode.LOGOUT_RESPONSE, response.opcode());
        compare(response, answered);
        assertEquals(dev.varve.sr.iscsi.pdu.LogoutResponse.CLOSED, response.response());
        assertEquals(answered.getTime2Wait(), response.secondsToWait());
        assertEquals(answered.getTime2Retain(), response.secondsToRetain());
    }
}
