// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

import java.lang.foreign.MemorySegment;

/**
 * A SCSI command (RFC 7143, 11.3).
 *
 * <table>
 * <caption>SCSI command, what {@link BasicHeader} and {@link RequestHeader} do not have</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>1</td><td>1</td><td>bit 7: no unsolicited Data-Out follows; bit 6: data comes in; bit 5:
 *     data goes out; bits 0 to 2: task attribute</td></tr>
 * <tr><td>20</td><td>4</td><td>how many bytes the command is expected to move</td></tr>
 * <tr><td>32</td><td>16</td><td>command descriptor block</td></tr>
 * </table>
 */
public final class ScsiCommand extends RequestHeader {
    /** How long the command descriptor block is, in bytes. */
    public static final int CDB_BYTES = 16;

    /** Where the command descriptor block begins in the header. */
    public static final int CDB_OFFSET = 32;

    /** Task attribute: the target orders it as it likes. */
    public static final int SIMPLE = 1;

    /** Task attribute: after all before it, before all after it. */
    public static final int ORDERED = 2;

    private static final int READ = 0x40;
    private static final int WRITE = 0x20;
    private static final int ATTRIBUTE_MASK = 7;

    /** Makes it a command without data, with the final bit and the attribute {@link #SIMPLE}. */
    public void begin() {
        begin(Opcode.SCSI_COMMAND, FINAL | SIMPLE);
    }

    /** Says whether this is all that is sent unasked: off when unsolicited Data-Out follows. */
    public void setFinal(boolean last) {
        setFlag(FINAL, last);
    }

    /** Whether data comes in. */
    public boolean isRead() {
        return hasFlag(READ);
    }

    /** Says that data comes in. */
    public void setRead() {
        setFlag(READ, true);
    }

    /** Whether data goes out. */
    public boolean isWrite() {
        return hasFlag(WRITE);
    }

    /** Says that data goes out. */
    public void setWrite() {
        setFlag(WRITE, true);
    }

    /** The task attribute. */
    public int attribute() {
        return byteAt(1) & ATTRIBUTE_MASK;
    }

    /** Sets the task attribute. */
    public void setAttribute(int attribute) {
        putByte(1, (byteAt(1) & ~ATTRIBUTE_MASK) | (attribute & ATTRIBUTE_MASK));
    }

    /** How many bytes the command is expected to move. */
    public int expectedTransferBytes() {
        return intAt(20);
    }

    /** Says how many bytes the command is expected to move. */
    public void setExpectedTransferBytes(int length) {
        putInt(20, length);
    }

    /** A byte of the command descriptor block. */
    public int cdbByte(int index) {
        return byteAt(CDB_OFFSET + index);
    }

    /** Copies a command descriptor block of 16 bytes into the header. */
    public void setCdb(MemorySegment cdb, long at) {
        MemorySegment.copy(cdb, at, memory(), start() + CDB_OFFSET, CDB_BYTES);
    }
}
