// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Writes command descriptor blocks, and what goes with them, right to where they are sent from,
 * without allocation.
 *
 * <table>
 * <caption>Command descriptor blocks (SPC-4, SBC-3), 16 bytes, big-endian</caption>
 * <tr><th>command</th><th>byte 0</th><th>byte 1</th><th>bytes 2 to 9</th><th>bytes 10 to 13</th></tr>
 * <tr><td>READ (16)</td><td>88h</td><td>0</td><td>first block</td><td>blocks</td></tr>
 * <tr><td>WRITE (16)</td><td>8Ah</td><td>bit 3: FUA</td><td>first block</td><td>blocks</td></tr>
 * <tr><td>SYNCHRONIZE CACHE (16)</td><td>91h</td><td>0</td><td>0</td><td>0: all</td></tr>
 * <tr><td>WRITE SAME (16)</td><td>93h</td><td>bit 3: UNMAP</td><td>first block</td><td>blocks</td>
 *     </tr>
 * <tr><td>READ CAPACITY (16)</td><td>9Eh</td><td>10h</td><td>0</td><td>room for the answer</td></tr>
 * <tr><td>UNMAP</td><td>42h</td><td>0</td><td>7 and 8: bytes of parameters, 24</td><td></td></tr>
 * <tr><td>INQUIRY</td><td>12h</td><td>1: page</td><td>2: page; 3 and 4: room for the answer</td>
 *     <td></td></tr>
 * <tr><td>PERSISTENT RESERVE IN</td><td>5Eh</td><td>0: keys</td><td>7 and 8: room for the answer</td>
 *     <td></td></tr>
 * <tr><td>PERSISTENT RESERVE OUT</td><td>5Fh</td><td>6: register and ignore the existing key</td>
 *     <td>5 to 8: bytes of parameters, 24</td><td></td></tr>
 * <tr><td>TEST UNIT READY</td><td>0</td><td>0</td><td>0</td><td>0</td></tr>
 * </table>
 *
 * <table>
 * <caption>Parameters of UNMAP, 24 bytes</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>0</td><td>2</td><td>22: bytes that follow</td></tr>
 * <tr><td>2</td><td>2</td><td>16: bytes of descriptors</td></tr>
 * <tr><td>8</td><td>8</td><td>first block</td></tr>
 * <tr><td>16</td><td>4</td><td>blocks</td></tr>
 * </table>
 *
 * <table>
 * <caption>Parameters of PERSISTENT RESERVE OUT, 24 bytes</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>8</td><td>8</td><td>key to register</td></tr>
 * </table>
 */
final class CommandBlocks {
    /** How long the parameters of UNMAP and of PERSISTENT RESERVE OUT are. */
    static final int PARAMETER_BYTES = 24;

    /** How much room there is for an answer that only we look at. */
    static final int ANSWER_BYTES = 252;

    /** How much room there is for the keys that are registered. */
    static final int KEYS_BYTES = 4096;

    /** How much READ CAPACITY (16) answers. */
    static final int CAPACITY_BYTES = 32;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final int FORCE_UNIT_ACCESS = 0x08;
    private static final int UNMAP = 0x08;
    private static final int KEYS_AT = 8;
    private static final int BLOCK_BYTES = 16;
    private static final int IDENTIFICATION_PAGE = 0x83;

    private CommandBlocks() {}

    /** Writes the block of a command; the 16 bytes are zero before. */
    static void write(LunCommand command, int blockBytes, MemorySegment memory, long at) {
        switch (command.kind) {
            case READ -> range(command, blockBytes, memory, at, 0x88, 0);
            case WRITE -> {
                int force = command.durable ? FORCE_UNIT_ACCESS : 0;
                range(command, blockBytes, memory, at, 0x8A, force);
            }
            case WRITE_SAME -> {
                int unmap = command.unmaps ? UNMAP : 0;
                range(command, blockBytes, memory, at, 0x93, unmap);
            }
            case FLUSH -> put(memory, at, 0x91);
            case UNMAP -> {
                put(memory, at, 0x42);
                memory.set(SHORT, at + 7, (short) PARAMETER_BYTES);
            }
            case TEST_UNIT_READY -> put(memory, at, 0);
            case INQUIRE_IDENTITY -> {
                put(memory, at, 0x12);
                put(memory, at + 1, 1);
                put(memory, at + 2, IDENTIFICATION_PAGE);
                memory.set(SHORT, at + 3, (short) ANSWER_BYTES);
            }
            case READ_CAPACITY -> {
                put(memory, at, 0x9E);
                put(memory, at + 1, 0x10);
                memory.set(INT, at + 10, CAPACITY_BYTES);
            }
            case OTHER_IN, OTHER_OUT, OTHER ->
                    MemorySegment.copy(command.scratch, 0, memory, at, BLOCK_BYTES);
            case READ_KEYS -> {
                put(memory, at, 0x5E);
                memory.set(SHORT, at + 7, (short) KEYS_BYTES);
            }
            case REGISTER_KEY -> {
                put(memory, at, 0x5F);
                put(memory, at + 1, 6);
                memory.set(INT, at + 5, PARAMETER_BYTES);
            }
        }
    }

    private static void range(
            LunCommand command,
            int blockBytes,
            MemorySegment memory,
            long at,
            int code,
            int flags) {
        put(memory, at, code);
        put(memory, at + 1, flags);
        memory.set(LONG, at + 2, command.start / blockBytes);
        memory.set(INT, at + 10, (int) (command.length / blockBytes));
    }

    private static void put(MemorySegment memory, long at, int value) {
        memory.set(ValueLayout.JAVA_BYTE, at, (byte) value);
    }

    /** Writes the parameters of an UNMAP of the command's range into its small memory. */
    static void unmapParameters(LunCommand command, int blockBytes) {
        MemorySegment memory = command.scratch;
        memory.set(LONG, 0, (22L << 48) | (16L << 32));
        memory.set(LONG, 8, command.start / blockBytes);
        memory.set(LONG, 16, (command.length / blockBytes) << 32);
        command.move(memory, 0, PARAMETER_BYTES);
    }

    /** Writes the parameters that register a key into the command's small memory. */
    static void keyParameters(LunCommand command, long key) {
        MemorySegment memory = command.scratch;
        memory.set(LONG, 0, 0);
        memory.set(LONG, 8, key);
        memory.set(LONG, 16, 0);
        command.move(memory, 0, PARAMETER_BYTES);
    }

    /**
     * Whether a key is among those of an answer of so many bytes, or there is none at all. The
     * answer has the number of bytes of keys at 4, and from 8 on keys of eight bytes.
     */
    static boolean hasKeyOrNone(MemorySegment answer, int bytes, long key) {
        int end = bytes < KEYS_AT ? 0 : Math.min(bytes, KEYS_AT + Math.max(0, answer.get(INT, 4)));
        boolean found = end < KEYS_AT + Long.BYTES;
        for (int at = KEYS_AT; at + Long.BYTES <= end && !found; at += Long.BYTES) {
            found = answer.get(LONG, at) == key;
        }
        return found;
    }

    /** The number of blocks in an answer to READ CAPACITY (16); -1 when there are too many. */
    static long blocks(MemorySegment answer) {
        long last = answer.get(LONG, 0);
        return last < 0 || last == Long.MAX_VALUE ? -1 : last + 1;
    }

    /** The size of a block in an answer to READ CAPACITY (16), in bytes. */
    static int blockBytes(MemorySegment answer) {
        return answer.get(INT, 8);
    }
}
