// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/**
 * Something that the target tells unasked (RFC 7143, 11.9).
 *
 * <table>
 * <caption>Asynchronous message, what {@link BasicHeader} and {@link ResponseHeader} do not have
 *     </caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>36</td><td>1</td><td>event</td></tr>
 * <tr><td>37</td><td>1</td><td>code of the vendor</td></tr>
 * <tr><td>38</td><td>2</td><td>parameter 1: the connection, or the time in seconds to log out in</td></tr>
 * <tr><td>40</td><td>2</td><td>parameter 2: seconds to wait before the next connection</td></tr>
 * <tr><td>42</td><td>2</td><td>parameter 3: seconds for which tasks are kept, or to log out in</td></tr>
 * </table>
 */
public final class AsyncMessage extends ResponseHeader {
    /** The data segment has sense data, with their length before them. */
    public static final int SCSI_EVENT = 0;

    /** The target wants the connection to be logged out. */
    public static final int LOGOUT_WANTED = 1;

    /** The target drops the connection of parameter 1. */
    public static final int CONNECTION_DROPPED = 2;

    /** The target drops all connections of the session. */
    public static final int SESSION_DROPPED = 3;

    /** The target wants parameters to be negotiated anew. */
    public static final int NEGOTIATION_WANTED = 4;

    /** Makes it one of an event. */
    public void begin(int event) {
        begin(Opcode.ASYNC_MESSAGE, FINAL);
        setInitiatorTaskTag(NO_TAG);
        putByte(36, event);
    }

    /** What has happened. */
    public int event() {
        return byteAt(36);
    }

    /** The code of the vendor. */
    public int vendorCode() {
        return byteAt(37);
    }

    /** Parameter 1. */
    public int parameter1() {
        return shortAt(38);
    }

    /** Parameter 2. */
    public int parameter2() {
        return shortAt(40);
    }

    /** Parameter 3. */
    public int parameter3() {
        return shortAt(42);
    }

    /** Sets all parameters. */
    public void setParameters(int first, int second, int third) {
        putShort(38, first);
        putShort(40, second);
        putShort(42, third);
    }
}
