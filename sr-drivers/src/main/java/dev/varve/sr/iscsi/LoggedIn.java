// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi;

import dev.varve.vdi.ffi.Libc;

/**
 * A session in full feature phase, with nothing sent in it yet. Whoever has it owns the socket.
 *
 * @param fd the socket: connected, not blocking, sends small messages at once
 * @param negotiated what both sides have agreed on
 * @param isid our part of the session's name
 * @param tsih the target's part of the session's name
 * @param portal the portal that was connected to, which is another than asked for after a redirect
 * @param connection the connection in the session (CID)
 * @param nextCommandNumber CmdSN of the next command that is not immediate
 * @param expectedStatusNumber ExpStatSN: the StatSN that the target gives next
 * @param expectedCommandNumber ExpCmdSN of the target
 * @param maximumCommandNumber MaxCmdSN of the target: how far commands may go
 */
public record LoggedIn(
        int fd,
        Negotiated negotiated,
        Isid isid,
        int tsih,
        Portal portal,
        int connection,
        int nextCommandNumber,
        int expectedStatusNumber,
        int expectedCommandNumber,
        int maximumCommandNumber)
        implements AutoCloseable {
    /** Drops the connection, without a logout. */
    @Override
    public void close() {
        Libc.close(fd);
    }
}
