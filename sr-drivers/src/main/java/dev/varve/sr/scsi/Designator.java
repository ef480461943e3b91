// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

import java.util.ArrayList;
import java.util.List;

/**
 * One of the names that a device has (SPC-4, 7.8.6).
 *
 * <table>
 * <caption>Designation descriptor</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>0</td><td>1</td><td>low 4 bits: code set, 1 binary, 2 ASCII, 3 UTF-8</td></tr>
 * <tr><td>1</td><td>1</td><td>bits 4 and 5: 0 the unit, 1 the port, 2 the target; bits 0 to 3:
 *     type</td></tr>
 * <tr><td>3</td><td>1</td><td>length of what follows</td></tr>
 * <tr><td>4</td><td></td><td>the name</td></tr>
 * </table>
 *
 * @param codeSet how the name is written
 * @param association what it names
 * @param type what kind of name it is
 * @param name its bytes
 */
public record Designator(int codeSet, int association, int type, byte[] name) {
    static final int BINARY = 1;
    static final int ASCII = 2;
    static final int VENDOR_SPECIFIC = 0;
    static final int T10 = 1;
    static final int EUI64 = 2;
    static final int NAA = 3;

    private static final int HEADER_BYTES = 4;

    /** All names of page 83. */
    public static List<Designator> parse(byte[] page) throws ScsiDataException {
        ScsiBytes bytes = VitalPages.content(page, VitalPages.IDENTIFICATION);
        List<Designator> found = new ArrayList<>();
        int length;
        for (int at = 0; at < bytes.length(); at += HEADER_BYTES + length) {
            length = bytes.byteAt(at + 3);
            found.add(
                    new Designator(
                            bytes.byteAt(at) & 0xF,
                            bytes.byteAt(at + 1) >> 4 & 3,
                            bytes.byteAt(at + 1) & 0xF,
                            bytes.slice(at + HEADER_BYTES, length)));
        }
        return found;
    }

    /** For a name of type NAA, which kind: 2, 3, 5, 6; else -1. */
    int naaKind() {
        return type == NAA && name.length > 0 ? name[0] >> 4 & 0xF : -1;
    }

    /** Whether it names the unit, and not its port or target. */
    boolean isOfUnit() {
        return association == 0 && name.length > 0;
    }
}
