// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.Isid;
import dev.varve.sr.iscsi.pdu.BasicHeader;
import dev.varve.sr.iscsi.pdu.ResponseHeader;
import dev.varve.sr.iscsi.wire.ConnectionLostException;
import dev.varve.sr.iscsi.wire.PduChannel;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * The requests and answers of one login on one connection, one after the other.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class LoginConversation {
    /** How large a data segment may be during login (RFC 7143, 13.12). */
    static final int MAX_DATA_BYTES = 8192;

    private static final int MAX_ROUNDS = 64;
    private static final int TASK_TAG = 1;
    private static final int FIRST_COMMAND = 1;

    private final PduChannel channel;
    private final Isid isid;
    private final Deadline deadline;
    private int expectedStatus;
    private int rounds;
    private LoginAnswer last;

    LoginConversation(PduChannel channel, Isid isid, Deadline deadline) {
        this.channel = channel;
        this.isid = isid;
        this.deadline = deadline;
    }

    /**
     * Sends keys and gives those of the answer, all its parts put together.
     *
     * @param nextStage the stage that we are ready for, or that of now
     */
    TextKeys exchange(TextKeys keys, int stage, int nextStage)
            throws ConnectionLostException, LoginProtocolException {
        boolean transit = nextStage != stage;
        byte[] data = keys.encode();
        if (data.length > MAX_DATA_BYTES) {
            throw new LoginProtocolException("it would have to be sent too many keys");
        }
        ByteArrayOutputStream answer = new ByteArrayOutputStream();
        send(transit, stage, nextStage, data);
        receive(stage, nextStage, answer);
        while (last.more()) {
            send(false, stage, stage, new byte[0]);
            receive(stage, stage, answer);
        }
        return TextKeys.parse(answer.toByteArray());
    }

    private void send(boolean transit, int stage, int nextStage, byte[] data)
            throws ConnectionLostException, LoginProtocolException {
        if (++rounds > MAX_ROUNDS) {
            throw new LoginProtocolException("it comes to no end of the login");
        }
        LoginRequest request =
                new LoginRequest(
                        transit,
                        stage,
                        transit ? nextStage : 0,
                        isid.bits(),
                        TASK_TAG,
                        FIRST_COMMAND,
                        expectedStatus,
                        data);
        Pdus.send(channel, LoginCodec.encode(request), deadline);
    }

    private void receive(int stage, int nextStage, ByteArrayOutputStream keys)
            throws ConnectionLostException, LoginProtocolException {
        ResponseHeader header = channel.receive(deadline);
        byte[] data = channel.data().toArray(ValueLayout.JAVA_BYTE);
        MemorySegment bytes = channel.header().asSlice(0, BasicHeader.BYTES);
        last = LoginCodec.decodeLogin(bytes.toArray(ValueLayout.JAVA_BYTE), data);
        expectedStatus = last.statusNumber() + 1;
        if (LoginStatus.isSuccess(last.status())) {
            if (header.initiatorTaskTag() != TASK_TAG || last.stage() != stage) {
                throw new LoginProtocolException("its answer is not one to what was asked");
            }
            if (last.transit() && (last.more() || last.nextStage() != nextStage)) {
                throw new LoginProtocolException("it goes to a stage that was not asked for");
            }
        }
        keys.writeBytes(data);
        if (keys.size() > TextKeys.MAX_BYTES) {
            throw new LoginProtocolException("it sends too many keys");
        }
    }

    /** The last answer. */
    LoginAnswer last() {
        return last;
    }

    /** CmdSN of the first command after the login. */
    int commandNumber() {
        return FIRST_COMMAND;
    }
}
