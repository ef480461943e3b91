// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/**
 * The target refuses a protocol data unit (RFC 7143, 11.17), whose header it gives back in the data
 * segment.
 *
 * <table>
 * <caption>Reject, what {@link BasicHeader} and {@link ResponseHeader} do not have</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>2</td><td>1</td><td>reason</td></tr>
 * <tr><td>36</td><td>4</td><td>DataSN or R2TSN, only for some reasons</td></tr>
 * </table>
 */
public final class Reject extends ResponseHeader {
    public static final int DATA_DIGEST_ERROR = 0x02;
    public static final int SNACK_REJECT = 0x03;
    public static final int PROTOCOL_ERROR = 0x04;
    public static final int COMMAND_NOT_SUPPORTED = 0x05;
    public static final int TOO_MANY_IMMEDIATE_COMMANDS = 0x06;
    public static final int TASK_IN_PROGRESS = 0x07;
    public static final int INVALID_FIELD = 0x09;
    public static final int OUT_OF_RESOURCES = 0x0A;
    public static final int WAITING_FOR_LOGOUT = 0x0C;

    /** Makes it one for a reason. */
    public void begin(int reason) {
        begin(Opcode.REJECT, FINAL);
        setInitiatorTaskTag(NO_TAG);
        putByte(2, reason);
    }

    /** Why the target refuses it. */
    public int reason() {
        return byteAt(2);
    }

    /** DataSN or R2TSN, for reasons that have one. */
    public int dataNumber() {
        return intAt(36);
    }

    /** Sets DataSN or R2TSN. */
    public void setDataNumber(int number) {
        putInt(36, number);
    }
}
