// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/**
 * Ends a session or a connection in order (RFC 7143, 11.14).
 *
 * <table>
 * <caption>Logout request, what {@link BasicHeader} and {@link RequestHeader} do not have</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>1</td><td>1</td><td>bit 7: set; bits 0 to 6: reason</td></tr>
 * <tr><td>20</td><td>2</td><td>connection, unless the session is ended</td></tr>
 * </table>
 */
public final class LogoutRequest extends RequestHeader {
    public static final int CLOSE_SESSION = 0;
    public static final int CLOSE_CONNECTION = 1;

    private static final int REASON_MASK = 0x7F;

    /** Makes it an immediate one for a reason. */
    public void begin(int reason) {
        begin(Opcode.LOGOUT_REQUEST, FINAL | (reason & REASON_MASK));
        setImmediate();
    }

    /** What is ended. */
    public int reason() {
        return byteAt(1) & REASON_MASK;
    }

    /** The connection that is ended. */
    public int connection() {
        return shortAt(20);
    }

    /** Names the connection that is ended. */
    public void setConnection(int connection) {
        putShort(20, connection);
    }
}
