// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/**
 * The target asks for a part of the data of a write (RFC 7143, 11.8).
 *
 * <table>
 * <caption>R2T, what {@link BasicHeader} and {@link ResponseHeader} do not have</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>20</td><td>4</td><td>target transfer tag, which the Data-Out repeat</td></tr>
 * <tr><td>36</td><td>4</td><td>R2TSN: its number among those of the command</td></tr>
 * <tr><td>40</td><td>4</td><td>where the part begins within the data of the command</td></tr>
 * <tr><td>44</td><td>4</td><td>how long the part is; not 0, at most MaxBurstLength</td></tr>
 * </table>
 */
public final class ReadyToTransfer extends ResponseHeader {
    /** Makes it one that asks for nothing yet. */
    public void begin() {
        begin(Opcode.READY_TO_TRANSFER, FINAL);
    }

    /** The tag that the Data-Out have to repeat. */
    public int targetTransferTag() {
        return intAt(20);
    }

    /** Sets the tag that the Data-Out have to repeat. */
    public void setTargetTransferTag(int tag) {
        putInt(20, tag);
    }

    /** Its number among the R2T of the command, from 0 (R2TSN). */
    public int number() {
        return intAt(36);
    }

    /** Sets R2TSN. */
    public void setNumber(int number) {
        putInt(36, number);
    }

    /** Where the part begins within the data of the command, in bytes. */
    public int bufferOffset() {
        return intAt(40);
    }

    /** Says where the part begins within the data of the command, in bytes. */
    public void setBufferOffset(int bytes) {
        putInt(40, bytes);
    }

    /** How long the part is, in bytes. */
    public int desiredBytes() {
        return intAt(44);
    }

    /** Says how long the part is, in bytes. */
    public void setDesiredBytes(int bytes) {
        putInt(44, bytes);
    }
}
