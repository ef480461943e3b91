// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/**
 * What has become of a {@link LogoutRequest} (RFC 7143, 11.15).
 *
 * <table>
 * <caption>Logout response, what {@link BasicHeader} and {@link ResponseHeader} do not have</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>2</td><td>1</td><td>response; 0: closed</td></tr>
 * <tr><td>40</td><td>2</td><td>Time2Wait: seconds to wait before the next login</td></tr>
 * <tr><td>42</td><td>2</td><td>Time2Retain: seconds for which tasks are kept</td></tr>
 * </table>
 */
public final class LogoutResponse extends ResponseHeader {
    public static final int CLOSED = 0;

    /** Makes it one that says that all is closed. */
    public void begin() {
        begin(Opcode.LOGOUT_RESPONSE, FINAL);
    }

    /** What has become of it. */
    public int response() {
        return byteAt(2);
    }

    /** Sets what has become of it. */
    public void setResponse(int response) {
        putByte(2, response);
    }

    /** How long to wait before the next login, in seconds. */
    public int secondsToWait() {
        return shortAt(40);
    }

    /** For how long tasks are kept, in seconds. */
    public int secondsToRetain() {
        return shortAt(42);
    }

    /** Sets both times, in seconds. */
    public void setSeconds(int toWait, int toRetain) {
        putShort(40, toWait);
        putShort(42, toRetain);
    }
}
