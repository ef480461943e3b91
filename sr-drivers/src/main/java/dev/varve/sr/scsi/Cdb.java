// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Command descriptor blocks, each put into 16 bytes of memory, of which what the command does not
 * use is zero. Nothing here allocates.
 *
 * <table>
 * <caption>Commands</caption>
 * <tr><th>first byte</th><th>command</th><th>source</th></tr>
 * <tr><td>00</td><td>TEST UNIT READY</td><td>SPC-4, 6.47</td></tr>
 * <tr><td>12</td><td>INQUIRY</td><td>SPC-4, 6.6</td></tr>
 * <tr><td>1A</td><td>MODE SENSE (6)</td><td>SPC-4, 6.13</td></tr>
 * <tr><td>42</td><td>UNMAP</td><td>SBC-3, 5.28</td></tr>
 * <tr><td>5E, 5F</td><td>PERSISTENT RESERVE IN, OUT</td><td>SPC-4, 6.15 and 6.16</td></tr>
 * <tr><td>88, 8A</td><td>READ (16), WRITE (16)</td><td>SBC-3, 5.14 and 5.34</td></tr>
 * <tr><td>91</td><td>SYNCHRONIZE CACHE (16)</td><td>SBC-3, 5.26</td></tr>
 * <tr><td>93</td><td>WRITE SAME (16)</td><td>SBC-3, 5.44</td></tr>
 * <tr><td>9E, action 10</td><td>READ CAPACITY (16)</td><td>SBC-3, 5.16</td></tr>
 * <tr><td>A0</td><td>REPORT LUNS</td><td>SPC-4, 6.33</td></tr>
 * </table>
 */
public final class Cdb {
    /** The room that a block takes here, in bytes. */
    public static final int BYTES = 16;

    public static final int TEST_UNIT_READY = 0x00;
    public static final int INQUIRY = 0x12;
    public static final int MODE_SENSE_6 = 0x1A;
    public static final int UNMAP = 0x42;
    public static final int PERSISTENT_RESERVE_IN = 0x5E;
    public static final int PERSISTENT_RESERVE_OUT = 0x5F;
    public static final int READ_16 = 0x88;
    public static final int WRITE_16 = 0x8A;
    public static final int SYNCHRONIZE_CACHE_16 = 0x91;
    public static final int WRITE_SAME_16 = 0x93;
    public static final int SERVICE_ACTION_IN_16 = 0x9E;
    public static final int REPORT_LUNS = 0xA0;

    private static final int READ_CAPACITY_16 = 0x10;
    private static final int FORCE_UNIT_ACCESS = 0x08;
    private static final int ENABLE_VITAL_DATA = 0x01;
    private static final int WRITE_SAME_UNMAP = 0x08;
    private static final int WITHOUT_DESCRIPTORS = 0x08;
    private static final int ALL_PAGES = 0x3F;
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private Cdb() {}

    private static void begin(MemorySegment memory, long at, int opcode, int second) {
        memory.set(LONG, at, 0);
        memory.set(LONG, at + 8, 0);
        memory.set(ValueLayout.JAVA_BYTE, at, (byte) opcode);
        memory.set(ValueLayout.JAVA_BYTE, at + 1, (byte) second);
    }

    private static void blocks(
            MemorySegment memory, long at, int opcode, int flags, long block, int count) {
        begin(memory, at, opcode, flags);
        memory.set(LONG, at + 2, block);
        memory.set(INT, at + 10, count);
    }

    /** Whether the device can do anything at all now. */
    public static void testUnitReady(MemorySegment memory, long at) {
        begin(memory, at, TEST_UNIT_READY, 0);
    }

    /** Reads blocks. */
    public static void read(MemorySegment memory, long at, long block, int count) {
        blocks(memory, at, READ_16, 0, block, count);
    }

    /**
     * Writes blocks.
     *
     * @param durable whether they have to be durable when the command has ended
     */
    public static void write(
            MemorySegment memory, long at, long block, int count, boolean durable) {
        blocks(memory, at, WRITE_16, durable ? FORCE_UNIT_ACCESS : 0, block, count);
    }

    /** Makes all that was written durable. */
    public static void synchronizeCache(MemorySegment memory, long at) {
        blocks(memory, at, SYNCHRONIZE_CACHE_16, 0, 0, 0);
    }

    /**
     * Writes one block, which goes out with the command, to many places.
     *
     * @param unmap whether the device may give the places up instead, when they read as that block
     *     afterwards
     */
    public static void writeSame(
            MemorySegment memory, long at, long block, int count, boolean unmap) {
        blocks(memory, at, WRITE_SAME_16, unmap ? WRITE_SAME_UNMAP : 0, block, count);
    }

    /** Gives blocks up; an {@link UnmapList} of so many bytes goes out with it. */
    public static void unmap(MemorySegment memory, long at, int listBytes) {
        begin(memory, at, UNMAP, 0);
        memory.set(SHORT, at + 7, (short) listBytes);
    }

    /** Asks what the device is. */
    public static void inquiry(MemorySegment memory, long at, int room) {
        begin(memory, at, INQUIRY, 0);
        memory.set(SHORT, at + 3, (short) room);
    }

    /** Asks for a page of vital product data. */
    public static void inquiryPage(MemorySegment memory, long at, int page, int room) {
        begin(memory, at, INQUIRY, ENABLE_VITAL_DATA);
        memory.set(ValueLayout.JAVA_BYTE, at + 2, (byte) page);
        memory.set(SHORT, at + 3, (short) room);
    }

    /** Asks for the size and the shape. */
    public static void readCapacity(MemorySegment memory, long at, int room) {
        begin(memory, at, SERVICE_ACTION_IN_16, READ_CAPACITY_16);
        memory.set(INT, at + 10, room);
    }

    /** Asks for the LUNs of the target. */
    public static void reportLuns(MemorySegment memory, long at, int room) {
        begin(memory, at, REPORT_LUNS, 0);
        memory.set(INT, at + 6, room);
    }

    /**
     * Asks for all mode pages, of which only the header is of interest: it tells whether the medium
     * is write protected.
     *
     * @param room 4 to 255
     */
    public static void modeSense(MemorySegment memory, long at, int room) {
        begin(memory, at, MODE_SENSE_6, WITHOUT_DESCRIPTORS);
        memory.set(ValueLayout.JAVA_BYTE, at + 2, (byte) ALL_PAGES);
        memory.set(ValueLayout.JAVA_BYTE, at + 4, (byte) room);
    }

    /** Asks for keys or the reservation, as {@link PersistentReserve} says. */
    public static void persistentReserveIn(MemorySegment memory, long at, int action, int room) {
        begin(memory, at, PERSISTENT_RESERVE_IN, action);
        memory.set(SHORT, at + 7, (short) room);
    }

    /**
     * Changes keys or the reservation, as {@link PersistentReserve} says; its parameter list goes
     * out with it. The scope is the logical unit.
     *
     * @param type of the reservation, or 0 where the action has none
     */
    public static void persistentReserveOut(MemorySegment memory, long at, int action, int type) {
        begin(memory, at, PERSISTENT_RESERVE_OUT, action);
        memory.set(ValueLayout.JAVA_BYTE, at + 2, (byte) type);
        memory.set(INT, at + 5, PersistentReserve.PARAMETER_BYTES);
    }
}
