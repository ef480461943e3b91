// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/**
 * Data from the target (RFC 7143, 11.7), perhaps with the good end of the command.
 *
 * <table>
 * <caption>Data-In, what {@link BasicHeader} and {@link ResponseHeader} do not have</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>1</td><td>1</td><td>bit 7: last of its sequence; bit 6: asks for an acknowledgement; bit 2:
 *     overflow, bit 1: underflow; bit 0: status and residual count are there</td></tr>
 * <tr><td>3</td><td>1</td><td>SCSI status</td></tr>
 * <tr><td>20</td><td>4</td><td>target transfer tag</td></tr>
 * <tr><td>36</td><td>4</td><td>DataSN: its number among those of the command</td></tr>
 * <tr><td>40</td><td>4</td><td>where its data begin within the data of the command</td></tr>
 * <tr><td>44</td><td>4</td><td>residual count</td></tr>
 * </table>
 */
public final class DataIn extends ResponseHeader {
    private static final int ACKNOWLEDGE = 0x40;
    private static final int OVERFLOW = 0x04;
    private static final int UNDERFLOW = 0x02;
    private static final int STATUS = 0x01;

    /** Makes it one without status that is not the last; it has no transfer tag. */
    public void begin() {
        begin(Opcode.DATA_IN, 0);
        putInt(20, NO_TAG);
    }

    /** Says whether it is the last of its sequence. */
    public void setFinal(boolean last) {
        setFlag(FINAL, last);
    }

    /** Whether the target asks for an acknowledgement, which error recovery level 0 has not. */
    public boolean wantsAcknowledgement() {
        return hasFlag(ACKNOWLEDGE);
    }

    /** Whether it ends the command as well: status, residual count and StatSN count. */
    public boolean hasStatus() {
        return hasFlag(STATUS);
    }

    /** The SCSI status. */
    public int status() {
        return byteAt(3);
    }

    /** Ends the command with a SCSI status. */
    public void setStatus(int status) {
        setFlag(STATUS, true);
        putByte(3, status);
    }

    /** Whether the command would have moved more than was expected. */
    public boolean hasOverflow() {
        return hasFlag(OVERFLOW);
    }

    /** Whether the command moved less than was expected. */
    public boolean hasUnderflow() {
        return hasFlag(UNDERFLOW);
    }

    /** Says how many bytes the command moved less than expected. */
    public void setUnderflow(int bytes) {
        setFlag(UNDERFLOW, true);
        putInt(44, bytes);
    }

    /** How many bytes were moved less, or would have been moved more, than expected. */
    public int residualBytes() {
        return intAt(44);
    }

    /** The tag of the target, or {@link #NO_TAG}. */
    public int targetTransferTag() {
        return intAt(20);
    }

    /** Sets the tag of the target. */
    public void setTargetTransferTag(int tag) {
        putInt(20, tag);
    }

    /** Its number among the Data-In of the command, from 0 (DataSN). */
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
