// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/**
 * What has become of a {@link TaskManagementRequest} (RFC 7143, 11.6).
 *
 * <table>
 * <caption>Task management response, what {@link BasicHeader} and {@link ResponseHeader} do not have
 *     </caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>2</td><td>1</td><td>response</td></tr>
 * </table>
 */
public final class TaskManagementResponse extends ResponseHeader {
    public static final int COMPLETE = 0;
    public static final int NO_SUCH_TASK = 1;
    public static final int NO_SUCH_LUN = 2;
    public static final int NOT_SUPPORTED = 5;
    public static final int NOT_AUTHORIZED = 6;
    public static final int REJECTED = 255;

    /** Makes it one that says that the function is complete. */
    public void begin() {
        begin(Opcode.TASK_MANAGEMENT_RESPONSE, FINAL);
    }

    /** What has become of it. */
    public int response() {
        return byteAt(2);
    }

    /** Sets what has become of it. */
    public void setResponse(int response) {
        putByte(2, response);
    }
}
