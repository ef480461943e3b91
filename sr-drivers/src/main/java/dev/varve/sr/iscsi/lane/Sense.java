// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What sense data say (SPC-4, 4.5), as far as a command's fate depends on it.
 *
 * <table>
 * <caption>Sense data</caption>
 * <tr><th>format</th><th>byte 0</th><th>key</th><th>code</th><th>qualifier</th></tr>
 * <tr><td>fixed</td><td>70h, 71h</td><td>byte 2, bits 0 to 3</td><td>byte 12</td><td>byte 13</td></tr>
 * <tr><td>descriptor</td><td>72h, 73h</td><td>byte 1, bits 0 to 3</td><td>byte 2</td><td>byte 3</td>
 *     </tr>
 * </table>
 */
final class Sense {
    static final int NO_SENSE = 0x0;
    static final int RECOVERED_ERROR = 0x1;
    static final int NOT_READY = 0x2;
    static final int MEDIUM_ERROR = 0x3;
    static final int HARDWARE_ERROR = 0x4;
    static final int ILLEGAL_REQUEST = 0x5;
    static final int UNIT_ATTENTION = 0x6;
    static final int DATA_PROTECT = 0x7;
    static final int ABORTED_COMMAND = 0xB;

    /** Code and qualifier: the command is not known. */
    static final int INVALID_OPERATION = 0x2000;

    /** Code and qualifier: a block past the end. */
    static final int OUT_OF_RANGE = 0x2100;

    /** Code and qualifier: a field of the command makes no sense. */
    static final int INVALID_FIELD = 0x2400;

    /** Code and qualifier: there is no such unit. */
    static final int NO_SUCH_UNIT = 0x2500;

    /** Code: the unit was switched on or reset. */
    static final int POWER_ON_OR_RESET = 0x29;

    /** Code and qualifier: the unit has another size. */
    static final int CAPACITY_CHANGED = 0x2A09;

    /** Code and qualifier: there is no room left. */
    static final int SPACE_ALLOCATION_FAILED = 0x2707;

    /** Code and qualifier: the target has other units. */
    static final int UNITS_CHANGED = 0x3F0E;

    private static final int FIXED_KNOWN_BYTES = 14;

    private Sense() {}

    /** Puts the sense data of a part of memory into a command. */
    static void read(MemorySegment memory, long at, int length, LunCommand command) {
        int format = length > 0 ? at(memory, at) & 0x7F : 0;
        if ((format == 0x70 || format == 0x71) && length >= 3) {
            command.senseKey = at(memory, at + 2) & 0xF;
            if (length >= FIXED_KNOWN_BYTES) {
                command.senseCode = at(memory, at + 12) << 8 | at(memory, at + 13);
            }
        } else if ((format == 0x72 || format == 0x73) && length >= 4) {
            command.senseKey = at(memory, at + 1) & 0xF;
            command.senseCode = at(memory, at + 2) << 8 | at(memory, at + 3);
        }
    }

    private static int at(MemorySegment memory, long offset) {
        return memory.get(ValueLayout.JAVA_BYTE, offset) & 0xFF;
    }
}
