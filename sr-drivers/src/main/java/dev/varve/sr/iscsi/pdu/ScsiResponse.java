// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/**
 * The end of a SCSI command (RFC 7143, 11.4). Its data segment, where it has one, begins with the
 * length of the sense data in two bytes, and the sense data follow.
 *
 * <table>
 * <caption>SCSI response, what {@link BasicHeader} and {@link ResponseHeader} do not have</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>1</td><td>1</td><td>bit 4: overflow, bit 3: underflow of bidirectional reads; bit 2:
 *     overflow, bit 1: underflow</td></tr>
 * <tr><td>2</td><td>1</td><td>0: the target has carried the command out; 1: it could not</td></tr>
 * <tr><td>3</td><td>1</td><td>SCSI status</td></tr>
 * <tr><td>20</td><td>4</td><td>SNACK tag, or reserved</td></tr>
 * <tr><td>36</td><td>4</td><td>ExpDataSN: how many Data-In or R2T the target has sent</td></tr>
 * <tr><td>40</td><td>4</td><td>residual count of bidirectional reads</td></tr>
 * <tr><td>44</td><td>4</td><td>residual count</td></tr>
 * </table>
 */
public final class ScsiResponse extends ResponseHeader {
    /** {@link #response()}: the command has a SCSI status. */
    public static final int COMPLETED = 0;

    private static final int OVERFLOW = 0x04;
    private static final int UNDERFLOW = 0x02;

    /** Makes it the answer to a command that was carried out and is good. */
    public void begin() {
        begin(Opcode.SCSI_RESPONSE, FINAL);
    }

    /** Whether the target could carry the command out; only then does the status count. */
    public int response() {
        return byteAt(2);
    }

    /** Sets the response. */
    public void setResponse(int response) {
        putByte(2, response);
    }

    /** The SCSI status. */
    public int status() {
        return byteAt(3);
    }

    /** Sets the SCSI status. */
    public void setStatus(int status) {
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

    /** Says how many bytes the command would have moved more than expected. */
    public void setOverflow(int bytes) {
        setFlag(OVERFLOW, true);
        putInt(44, bytes);
    }

    /** How many bytes were moved less, or would have been moved more, than expected. */
    public int residualBytes() {
        return intAt(44);
    }

    /** How many Data-In or R2T the target has sent for the command (ExpDataSN). */
    public int expectedDataNumber() {
        return intAt(36);
    }

    /** Sets ExpDataSN. */
    public void setExpectedDataNumber(int number) {
        putInt(36, number);
    }
}
