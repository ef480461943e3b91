// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import dev.varve.sr.iscsi.pdu.BasicHeader;
import dev.varve.sr.iscsi.pdu.Opcode;

import org.jscsi.exception.InternetSCSIException;
import org.jscsi.parser.OperationCode;
import org.jscsi.parser.ProtocolDataUnit;
import org.jscsi.parser.ProtocolDataUnitFactory;
import org.jscsi.parser.login.ISID;
import org.jscsi.parser.login.LoginRequestParser;
import org.jscsi.parser.login.LoginResponseParser;
import org.jscsi.parser.login.LoginStage;
import org.jscsi.parser.text.TextRequestParser;
import org.jscsi.parser.text.TextResponseParser;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.security.DigestException;
import java.util.Arrays;

/**
 * Login and text as bytes, by the codec of jSCSI. What comes in is checked here before that codec
 * sees it: it takes for granted that stages and states are ones it knows.
 */
final class LoginCodec {
    private static final String NO_DIGEST = "None";
    private static final ProtocolDataUnitFactory FACTORY = new ProtocolDataUnitFactory();
    private static final ISID ANY_ISID = ISID.createRandom(0);
    private static final int ISID_OFFSET = 8;
    private static final int ISID_BYTES = 6;
    private static final int STAGE_MASK = 3;
    private static final int TRANSIT = 0x80;
    private static final int STATUS_OFFSET = 36;
    private static final int OPCODE_MASK = 0x3F;

    private LoginCodec() {}

    /** A login request for the leading connection of a new session, header and data. */
    static byte[] encode(LoginRequest request) {
        ProtocolDataUnit pdu =
                FACTORY.create(
                        true, request.transit(), OperationCode.LOGIN_REQUEST, NO_DIGEST, NO_DIGEST);
        pdu.getBasicHeaderSegment().setInitiatorTaskTag(request.taskTag());
        LoginRequestParser parser = (LoginRequestParser) pdu.getBasicHeaderSegment().getParser();
        parser.setCurrentStageNumber(LoginStage.valueOf((byte) request.stage()));
        parser.setNextStageNumber(LoginStage.valueOf((byte) request.nextStage()));
        parser.setInitiatorSessionID(ANY_ISID);
        parser.setCommandSequenceNumber(request.commandNumber());
        parser.setExpectedStatusSequenceNumber(request.expectedStatusNumber());
        byte[] bytes = serialize(pdu, request.data());
        // An ISID of the codec loses bytes where the fourth one is over 7F: ours takes its place.
        for (int i = 0; i < ISID_BYTES; i++) {
            bytes[ISID_OFFSET + i] = (byte) (request.isid() >>> (8 * (ISID_BYTES - 1 - i)));
        }
        return bytes;
    }

    /** A text request: immediate, and complete in itself. */
    static byte[] encodeText(
            int taskTag, int transferTag, int commandNumber, int expectedStatus, byte[] data) {
        ProtocolDataUnit pdu =
                FACTORY.create(true, true, OperationCode.TEXT_REQUEST, NO_DIGEST, NO_DIGEST);
        pdu.getBasicHeaderSegment().setInitiatorTaskTag(taskTag);
        TextRequestParser parser = (TextRequestParser) pdu.getBasicHeaderSegment().getParser();
        parser.setTargetTransferTag(transferTag);
        parser.setCommandSequenceNumber(commandNumber);
        parser.setExpectedStatusSequenceNumber(expectedStatus);
        return serialize(pdu, data);
    }

    private static byte[] serialize(ProtocolDataUnit pdu, byte[] data) {
        try {
            pdu.setDataSegment(ByteBuffer.wrap(data));
            ByteBuffer buffer = pdu.serialize();
            byte[] bytes = new byte[BasicHeader.BYTES + data.length];
            buffer.rewind();
            buffer.get(bytes);
            return bytes;
        } catch (InternetSCSIException | IOException e) {
            throw new IllegalArgumentException("a request that the codec refuses", e);
        }
    }

    /** Reads a login response: 48 bytes of header and the data without padding. */
    static LoginAnswer decodeLogin(byte[] header, byte[] data) throws LoginProtocolException {
        requireOpcode(header, Opcode.LOGIN_RESPONSE);
        int flags = header[1];
        if ((flags & STAGE_MASK) == 2 || (flags >> 2 & STAGE_MASK) >= 2) {
            throw new LoginProtocolException("it answered in a stage of login that does not exist");
        }
        int status = ByteBuffer.wrap(header).getShort(STATUS_OFFSET) & 0xFFFF;
        byte[] known = withoutIsidAndStatus(header);
        LoginResponseParser parser =
                (LoginResponseParser) parse(known, data).getBasicHeaderSegment().getParser();
        return new LoginAnswer(
                (flags & TRANSIT) != 0,
                parser.isContinueFlag(),
                parser.getCurrentStageNumber().value(),
                parser.getNextStageNumber().value(),
                status,
                Short.toUnsignedInt(parser.getTargetSessionIdentifyingHandle()),
                parser.getStatusSequenceNumber(),
                parser.getExpectedCommandSequenceNumber(),
                parser.getMaximumCommandSequenceNumber(),
                data);
    }

    /**
     * The codec knows no status but those of its list, and some ISIDs that are fine are none to it;
     * neither is taken from it.
     */
    private static byte[] withoutIsidAndStatus(byte[] header) {
        byte[] bytes = header.clone();
        Arrays.fill(bytes, ISID_OFFSET, ISID_OFFSET + ISID_BYTES, (byte) 0);
        Arrays.fill(bytes, STATUS_OFFSET, STATUS_OFFSET + 2, (byte) 0);
        return bytes;
    }

    /** Reads a text response: 48 bytes of header and the data without padding. */
    static TextAnswer decodeText(byte[] header, byte[] data) throws LoginProtocolException {
        requireOpcode(header, Opcode.TEXT_RESPONSE);
        ProtocolDataUnit pdu = parse(header, data);
        TextResponseParser parser = (TextResponseParser) pdu.getBasicHeaderSegment().getParser();
        return new TextAnswer(
                pdu.getBasicHeaderSegment().isFinalFlag() && !parser.isContinueFlag(),
                parser.getTargetTransferTag(),
                parser.getStatusSequenceNumber(),
                parser.getExpectedCommandSequenceNumber(),
                data);
    }

    private static void requireOpcode(byte[] header, int opcode) throws LoginProtocolException {
        if ((header[0] & OPCODE_MASK) != opcode) {
            throw new LoginProtocolException("its answer is not one to what was asked");
        }
    }

    private static ProtocolDataUnit parse(byte[] header, byte[] data)
            throws LoginProtocolException {
        ByteBuffer bytes =
                ByteBuffer.allocate(header.length + BasicHeader.padded(data.length))
                        .put(header)
                        .put(data)
                        .rewind();
        ProtocolDataUnit pdu = FACTORY.create(NO_DIGEST, NO_DIGEST);
        try {
            pdu.deserialize(bytes);
        } catch (InternetSCSIException | IOException | DigestException e) {
            throw new LoginProtocolException("its answer is malformed", e);
        }
        return pdu;
    }
}
