// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * What all headers have in common (RFC 7143, 11.2.1).
 *
 * <table>
 * <caption>Basic header segment, 48 bytes, big-endian</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>0</td><td>1</td><td>bit 6: immediate delivery; bits 0 to 5: {@link Opcode}</td></tr>
 * <tr><td>1</td><td>1</td><td>bit 7: final; the rest depends on the opcode</td></tr>
 * <tr><td>2</td><td>2</td><td>depends on the opcode</td></tr>
 * <tr><td>4</td><td>1</td><td>length of all additional headers, in words of four bytes</td></tr>
 * <tr><td>5</td><td>3</td><td>length of the data segment in bytes, without padding</td></tr>
 * <tr><td>8</td><td>8</td><td>logical unit number, or depends on the opcode</td></tr>
 * <tr><td>16</td><td>4</td><td>initiator task tag</td></tr>
 * <tr><td>20</td><td>28</td><td>depends on the opcode</td></tr>
 * </table>
 *
 * <p><b>Threads:</b> one at a time.
 */
public class BasicHeader {
    /** The size of a header in bytes. */
    public static final int BYTES = 48;

    /** A tag that names no task (RFC 7143, 11.2.1.8 and 11.7.4). */
    public static final int NO_TAG = 0xFFFFFFFF;

    /** How large a data segment can be at most, by the width of its field. */
    public static final int MAX_DATA_SEGMENT_BYTES = 0xFFFFFF;

    static final int FINAL = 0x80;

    private static final int IMMEDIATE = 0x40;
    private static final int OPCODE_MASK = 0x3F;
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private MemorySegment segment = MemorySegment.NULL;
    private long offset;

    /** Looks at the header that begins at an offset of some memory. */
    public final void wrap(MemorySegment memory, long start) {
        this.segment = memory;
        this.offset = start;
    }

    /**
     * Clears the header and makes it one of an opcode, with the final bit as the bits of byte 1.
     */
    final void begin(int opcode, int flags) {
        for (int at = 0; at < BYTES; at += Long.BYTES) {
            putLong(at, 0);
        }
        putByte(0, opcode);
        putByte(1, flags);
    }

    /** What it is, one of {@link Opcode}, or something that this peer does not know. */
    public final int opcode() {
        return byteAt(0) & OPCODE_MASK;
    }

    /** Whether it takes effect at once, outside the order of commands. */
    public final boolean isImmediate() {
        return (byteAt(0) & IMMEDIATE) != 0;
    }

    /** Has it take effect at once, outside the order of commands. */
    public final void setImmediate() {
        putByte(0, byteAt(0) | IMMEDIATE);
    }

    /** Whether it is the last, or the only one, of a sequence. */
    public final boolean isFinal() {
        return hasFlag(FINAL);
    }

    /** How long the additional headers after it are, in bytes: 0 to 1020. */
    public final int additionalHeaderBytes() {
        return byteAt(4) * Integer.BYTES;
    }

    /** How long its data segment is, in bytes and without padding. */
    public final int dataSegmentBytes() {
        return intAt(4) & MAX_DATA_SEGMENT_BYTES;
    }

    /** Says how long its data segment is, in bytes and without padding. */
    public final void setDataSegmentBytes(int length) {
        putInt(4, byteAt(4) << 24 | (length & MAX_DATA_SEGMENT_BYTES));
    }

    /** How many bytes a data segment takes on the wire: up to the next multiple of four. */
    public static int padded(int length) {
        return length + 3 & ~3;
    }

    /** The logical unit, in the eight bytes of SAM-5. */
    public final long lun() {
        return longAt(8);
    }

    /** Names the logical unit, in the eight bytes of SAM-5. */
    public final void setLun(long lun) {
        putLong(8, lun);
    }

    /** The tag that the initiator has given to the task. */
    public final int initiatorTaskTag() {
        return intAt(16);
    }

    /** Gives the task a tag. */
    public final void setInitiatorTaskTag(int tag) {
        putInt(16, tag);
    }

    final boolean hasFlag(int flag) {
        return (byteAt(1) & flag) != 0;
    }

    final void setFlag(int flag, boolean on) {
        putByte(1, on ? byteAt(1) | flag : byteAt(1) & ~flag);
    }

    final int byteAt(int at) {
        return segment.get(ValueLayout.JAVA_BYTE, offset + at) & 0xFF;
    }

    final void putByte(int at, int value) {
        segment.set(ValueLayout.JAVA_BYTE, offset + at, (byte) value);
    }

    final int shortAt(int at) {
        return Short.toUnsignedInt(segment.get(SHORT, offset + at));
    }

    final void putShort(int at, int value) {
        segment.set(SHORT, offset + at, (short) value);
    }

    final int intAt(int at) {
        return segment.get(INT, offset + at);
    }

    final void putInt(int at, int value) {
        segment.set(INT, offset + at, value);
    }

    final long longAt(int at) {
        return segment.get(LONG, offset + at);
    }

    final void putLong(int at, long value) {
        segment.set(LONG, offset + at, value);
    }

    final MemorySegment memory() {
        return segment;
    }

    final long start() {
        return offset;
    }
}
