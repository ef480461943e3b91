// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/**
 * A sign of life of the initiator (RFC 7143, 11.18): a question, with a task tag and no transfer
 * tag, or the answer to a NOP-In that asked, with that one's transfer tag and no task tag.
 *
 * <table>
 * <caption>NOP-Out, what {@link BasicHeader} and {@link RequestHeader} do not have</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>20</td><td>4</td><td>target transfer tag of the NOP-In, or all ones</td></tr>
 * </table>
 */
public final class NopOut extends RequestHeader {
    /** Makes it an immediate one with neither tag. */
    public void begin() {
        begin(Opcode.NOP_OUT, FINAL);
        setImmediate();
        setInitiatorTaskTag(NO_TAG);
        putInt(20, NO_TAG);
    }

    /** The tag of the NOP-In that this answers, or {@link #NO_TAG}. */
    public int targetTransferTag() {
        return intAt(20);
    }

    /** Sets the tag of the NOP-In that this answers. */
    public void setTargetTransferTag(int tag) {
        putInt(20, tag);
    }
}
