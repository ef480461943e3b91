// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * Why a command has ended in CHECK CONDITION (SPC-4, 4.5): a key, a code and a qualifier, kept in
 * one number so that the data path can look at them without allocation.
 *
 * <table>
 * <caption>Sense data: response code in the low 7 bits of byte 0</caption>
 * <tr><th>format</th><th>codes</th><th>key</th><th>code</th><th>qualifier</th></tr>
 * <tr><td>fixed</td><td>70, 71</td><td>byte 2, low 4 bits</td><td>byte 12</td><td>byte 13</td></tr>
 * <tr><td>descriptor</td><td>72, 73</td><td>byte 1, low 4 bits</td><td>byte 2</td>
 *     <td>byte 3</td></tr>
 * </table>
 */
public final class Sense {
    /** There is no sense data, or none that can be understood. */
    public static final int NONE = -1;

    public static final int NO_SENSE = 0x0;
    public static final int RECOVERED_ERROR = 0x1;
    public static final int NOT_READY = 0x2;
    public static final int MEDIUM_ERROR = 0x3;
    public static final int HARDWARE_ERROR = 0x4;
    public static final int ILLEGAL_REQUEST = 0x5;
    public static final int UNIT_ATTENTION = 0x6;
    public static final int DATA_PROTECT = 0x7;
    public static final int ABORTED_COMMAND = 0xB;
    public static final int MISCOMPARE = 0xE;

    /** Code 29: power on, reset, or nexus lost; what was not flushed may be lost. */
    public static final int RESET_OCCURRED = 0x29;

    /** Code and qualifier: the unit is becoming ready. */
    public static final int BECOMING_READY = 0x0401;

    /** Code and qualifier: the capacity has changed. */
    public static final int CAPACITY_CHANGED = 0x2A09;

    /** Code and qualifier: the LUNs of the target have changed. */
    public static final int LUNS_CHANGED = 0x3F0E;

    /** Code and qualifier: reservations were preempted. */
    public static final int RESERVATIONS_PREEMPTED = 0x2A03;

    /** Code and qualifier: registrations were preempted. */
    public static final int REGISTRATIONS_PREEMPTED = 0x2A05;

    /** Code and qualifier: a thin device has no more room. */
    public static final int SPACE_ALLOCATION_FAILED = 0x2707;

    /** Code and qualifier: there is no such logical unit. */
    public static final int NO_SUCH_UNIT = 0x2500;

    /** Code and qualifier: there is no such command. */
    public static final int INVALID_COMMAND = 0x2000;

    /** Code and qualifier: a field of the command is wrong. */
    public static final int INVALID_FIELD = 0x2400;

    private static final int FIXED_BYTES = 14;
    private static final int DESCRIPTOR_BYTES = 4;

    private Sense() {}

    /** Reads sense data; {@link #NONE} when there are none. */
    public static int parse(MemorySegment memory, long at, long length) {
        if (length < 1) {
            return NONE;
        }
        return switch (byteAt(memory, at) & 0x7F) {
            case 0x70, 0x71 -> fixed(memory, at, length);
            case 0x72, 0x73 ->
                    length < DESCRIPTOR_BYTES ? NONE : pack(memory, at + 1, at + 2, at + 3);
            default -> NONE;
        };
    }

    /**
     * How many bytes have come decides, not the ADDITIONAL SENSE LENGTH in byte 7: some targets
     * leave that 0 and send the code all the same, and a UNIT ATTENTION must not be missed.
     */
    private static int fixed(MemorySegment memory, long at, long length) {
        if (length < 3) {
            return NONE;
        }
        return length >= FIXED_BYTES
                ? pack(memory, at + 2, at + 12, at + 13)
                : (byteAt(memory, at + 2) & 0xF) << 16;
    }

    private static int pack(MemorySegment memory, long key, long code, long qualifier) {
        return (byteAt(memory, key) & 0xF) << 16
                | byteAt(memory, code) << 8
                | byteAt(memory, qualifier);
    }

    private static int byteAt(MemorySegment memory, long at) {
        return memory.get(ValueLayout.JAVA_BYTE, at) & 0xFF;
    }

    /** The key, 0 to F; -1 of {@link #NONE}. */
    public static int key(int sense) {
        return sense >> 16;
    }

    /** The code alone. */
    public static int code(int sense) {
        return sense >> 8 & 0xFF;
    }

    /** Code and qualifier together, 16 bits. */
    public static int codeAndQualifier(int sense) {
        return sense & 0xFFFF;
    }

    /** In words, for messages. */
    public static String words(int sense) {
        if (sense == NONE) {
            return "no sense data";
        }
        String key = keyWords(key(sense));
        String code = codeWords(codeAndQualifier(sense));
        return "%s, %s (sense %X/%02X/%02X)"
                .formatted(key, code, key(sense), code(sense), sense & 0xFF);
    }

    private static String keyWords(int key) {
        return switch (key) {
            case NO_SENSE -> "no sense";
            case RECOVERED_ERROR -> "recovered error";
            case NOT_READY -> "not ready";
            case MEDIUM_ERROR -> "medium error";
            case HARDWARE_ERROR -> "hardware error";
            case ILLEGAL_REQUEST -> "illegal request";
            case UNIT_ATTENTION -> "unit attention";
            case DATA_PROTECT -> "data protect";
            case ABORTED_COMMAND -> "aborted command";
            case MISCOMPARE -> "miscompare";
            default -> "sense key " + Integer.toHexString(key);
        };
    }

    private static String codeWords(int code) {
        return switch (code) {
            case BECOMING_READY -> "the unit is becoming ready";
            case 0x0402 -> "the unit has to be started";
            case 0x0403 -> "somebody has to look after the unit";
            case 0x040B -> "this path is on standby";
            case 0x040C -> "this path is unavailable";
            case 0x1100 -> "it cannot be read";
            case 0x0C00, 0x0C02 -> "it cannot be written";
            case INVALID_COMMAND -> "no such command";
            case 0x2100 -> "beyond the end of the unit";
            case INVALID_FIELD -> "a field of the command is wrong";
            case NO_SUCH_UNIT -> "no such unit";
            case 0x2600 -> "a field of the parameters is wrong";
            case 0x2700 -> "write protected";
            case SPACE_ALLOCATION_FAILED -> "the device has no more room";
            case 0x2900, 0x2901, 0x2902, 0x2903, 0x2904 -> "the unit was reset";
            case 0x2907 -> "the connection was lost";
            case 0x2A01 -> "mode parameters have changed";
            case RESERVATIONS_PREEMPTED -> "the reservation was taken over";
            case 0x2A04 -> "the reservation was released";
            case REGISTRATIONS_PREEMPTED -> "the registration was taken away";
            case CAPACITY_CHANGED -> "the size has changed";
            case 0x3A00 -> "no medium";
            case 0x3F03 -> "what the unit says of itself has changed";
            case LUNS_CHANGED -> "the LUNs of the target have changed";
            case 0x4400 -> "the target has an internal error";
            default -> "for a reason that has no name here";
        };
    }
}
