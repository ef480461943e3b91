// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.pdu.BasicHeader;
import dev.varve.sr.iscsi.wire.ConnectionLostException;
import dev.varve.sr.iscsi.wire.PduChannel;

import java.lang.foreign.MemorySegment;

/** What the codec made, on its way to the channel. */
final class Pdus {
    private Pdus() {}

    /** Sends a header and the data that follow it. */
    static void send(PduChannel channel, byte[] bytes, Deadline deadline)
            throws ConnectionLostException {
        MemorySegment pdu = MemorySegment.ofArray(bytes);
        channel.send(pdu, pdu, BasicHeader.BYTES, bytes.length - BasicHeader.BYTES, deadline);
    }
}
