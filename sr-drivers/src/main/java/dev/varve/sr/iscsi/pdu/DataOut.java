// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/**
 * Data to the target (RFC 7143, 11.7), asked for by an R2T or sent unasked. It has no CmdSN.
 *
 * <table>
 * <caption>Data-Out, what {@link BasicHeader} and {@link RequestHeader} do not have</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>1</td><td>1</td><td>bit 7: last of its sequence</td></tr>
 * <tr><td>20</td><td>4</td><td>target transfer tag of the R2T, or all ones when sent unasked</td></tr>
 * <tr><td>36</td><td>4</td><td>DataSN: its number within its sequence</td></tr>
 * <tr><td>40</td><td>4</td><td>where its data begin within the data of the command</td></tr>
 * </table>
 */
public final class DataOut extends RequestHeader {
    /** Makes it one that is not the last of its sequence, and was sent unasked. */
    public void begin() {
        begin(Opcode.DATA_OUT, 0);
        putInt(20, NO_TAG);
    }

    /** Says whether it is the last of its sequence. */
    public void setFinal(boolean last) {
        setFlag(FINAL, last);
    }

    /** The tag of the R2T that asked for it, or {@link #NO_TAG}. */
    public int targetTransferTag() {
        return intAt(20);
    }

    /** Sets the tag of the R2T that asked for it. */
    public void setTargetTransferTag(int tag) {
        putInt(20, tag);
    }

    /** Its number within its sequence, from 0 (DataSN). */
    public int dataNumber() {
        return intAt(36);
    }

    /** Sets DataSN. */
    public void setDataNumber(int number) {
        putInt(36, number);
    }

    /** Where its data begin within the data of the command, in bytes. */
    public int bufferOffset() {
        return intAt(40);
    }

    /** Says where its data begin within the data of the command, in bytes. */
    public void setBufferOffset(int bytes) {
        putInt(40, bytes);
    }
}
