// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

/**
 * How a device gives blocks up (SBC-3, 6.5.4): byte 5 of page B2, bit 7 by UNMAP, bit 6 by WRITE
 * SAME (16), bits 2 to 4 other than 0 when what was given up reads as zero.
 *
 * @param unmap by UNMAP (LBPU)
 * @param writeSame by WRITE SAME (16) with its UNMAP bit (LBPWS)
 * @param unmappedIsZero whether blocks that were given up read as zero (LBPRZ)
 */
public record Provisioning(boolean unmap, boolean writeSame, boolean unmappedIsZero) {
    /** For a device that does not have the page. */
    public static final Provisioning NONE = new Provisioning(false, false, false);

    /** Reads page B2. */
    public static Provisioning parse(byte[] page) throws ScsiDataException {
        int flags = VitalPages.content(page, VitalPages.PROVISIONING).byteAt(1);
        // SBC-3 has one bit for zeros, SBC-4 three: the value 1 is the same in both.
        return new Provisioning((flags & 0x80) != 0, (flags & 0x40) != 0, (flags >> 2 & 7) == 1);
    }
}
