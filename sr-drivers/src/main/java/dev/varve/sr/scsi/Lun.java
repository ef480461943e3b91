// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

import java.util.ArrayList;
import java.util.List;

/**
 * A logical unit number: eight bytes, of which the usual forms are the number itself (SAM-5, 4.7).
 *
 * <table>
 * <caption>The first bytes</caption>
 * <tr><th>bits 6 and 7 of byte 0</th><th>number</th></tr>
 * <tr><td>0, peripheral</td><td>byte 1, when the rest of byte 0 is 0</td></tr>
 * <tr><td>1, flat</td><td>low 6 bits of byte 0, then byte 1</td></tr>
 * </table>
 */
public final class Lun {
    private static final int MAX_PERIPHERAL = 255;
    private static final int MAX = (1 << 14) - 1;
    private static final int LIST_HEADER_BYTES = 8;
    private static final int MAX_LIST = 16384;

    private Lun() {}

    /** The eight bytes of a number from 0 to 16383. */
    public static long bytes(int number) {
        if (number < 0 || number > MAX) {
            throw new IllegalArgumentException("no LUN: " + number);
        }
        long first = number <= MAX_PERIPHERAL ? number : 0x4000 | number;
        return first << 48;
    }

    /** The number that eight bytes stand for; -1 for forms that no disk behind iSCSI has. */
    public static int number(long bytes) {
        int first = (int) (bytes >>> 48);
        boolean single = (bytes & 0xFFFF_FFFF_FFFFL) == 0;
        if (!single) {
            return -1;
        }
        return switch (first >> 14) {
            case 0 -> first <= MAX_PERIPHERAL ? first : -1;
            case 1 -> first & MAX;
            default -> -1;
        };
    }

    /**
     * The units of the data of REPORT LUNS (SPC-4, 6.33): length of the list in four bytes, four of
     * nothing, then eight for each. A list that was cut gives what is there.
     */
    public static List<Long> parseList(byte[] data) throws ScsiDataException {
        ScsiBytes bytes = new ScsiBytes(data, "REPORT LUNS data");
        bytes.require(LIST_HEADER_BYTES);
        long told = bytes.intAt(0);
        if (told % Long.BYTES != 0 || told / Long.BYTES > MAX_LIST) {
            throw new ScsiDataException("REPORT LUNS data tells of %d bytes".formatted(told));
        }
        List<Long> units = new ArrayList<>();
        int whole = bytes.length() / Long.BYTES * Long.BYTES;
        long end = Math.min(told + LIST_HEADER_BYTES, whole);
        for (int at = LIST_HEADER_BYTES; at < end; at += Long.BYTES) {
            units.add(bytes.longAt(at));
        }
        return units;
    }
}
