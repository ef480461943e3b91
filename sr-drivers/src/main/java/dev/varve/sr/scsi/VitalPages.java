// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

import java.util.ArrayList;
import java.util.List;

/**
 * Pages of vital product data (SPC-4, 7.8): page code in byte 1, length of the rest in bytes 2 and
 * 3.
 */
public final class VitalPages {
    /** Which pages there are. */
    public static final int SUPPORTED = 0x00;

    /** Serial number. */
    public static final int SERIAL = 0x80;

    /** Designators. */
    public static final int IDENTIFICATION = 0x83;

    /** Limits of commands. */
    public static final int BLOCK_LIMITS = 0xB0;

    /** How the device gives blocks up. */
    public static final int PROVISIONING = 0xB2;

    /** How much to ask for, in bytes. */
    public static final int ROOM = 4096;

    private static final int HEADER_BYTES = 4;

    private VitalPages() {}

    /** The content of a page, after its header. */
    static ScsiBytes content(byte[] page, int code) throws ScsiDataException {
        String what = "page %02X of INQUIRY".formatted(code);
        ScsiBytes bytes = new ScsiBytes(page, what);
        bytes.require(HEADER_BYTES);
        if (bytes.byteAt(1) != code) {
            throw new ScsiDataException(what + " is another page");
        }
        return new ScsiBytes(bytes.slice(HEADER_BYTES, bytes.shortAt(2)), what);
    }

    /** The codes of the pages that there are, of page 00. */
    public static List<Integer> supported(byte[] page) throws ScsiDataException {
        ScsiBytes bytes = content(page, SUPPORTED);
        List<Integer> codes = new ArrayList<>();
        for (int i = 0; i < bytes.length(); i++) {
            codes.add(bytes.byteAt(i));
        }
        return codes;
    }

    /** The serial number, of page 80, without spaces around. */
    public static String serial(byte[] page) throws ScsiDataException {
        ScsiBytes bytes = content(page, SERIAL);
        return bytes.text(0, bytes.length()).strip();
    }
}
