// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/**
 * A sign of life of the target (RFC 7143, 11.19): the answer to a NOP-Out, with its task tag, or
 * one of its own. The latter asks for an answer when it has a transfer tag; its StatSN is the next
 * one and is not used up.
 *
 * <table>
 * <caption>NOP-In, what {@link BasicHeader} and {@link ResponseHeader} do not have</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>20</td><td>4</td><td>target transfer tag, or all ones when no answer is wanted</td></tr>
 * </table>
 */
public final class NopIn extends ResponseHeader {
    /** Makes it one with neither tag. */
    public void begin() {
        begin(Opcode.NOP_IN, FINAL);
        setInitiatorTaskTag(NO_TAG);
        putInt(20, NO_TAG);
    }

    /** Whether the target waits for a NOP-Out with the same transfer tag. */
    public boolean wantsAnswer() {
        return targetTransferTag() != NO_TAG;
    }

    /** The tag of the target, or {@link #NO_TAG}. */
    public int targetTransferTag() {
        return intAt(20);
    }

    /** Sets the tag of the target. */
    public void setTargetTransferTag(int tag) {
        putInt(20, tag);
    }
}
