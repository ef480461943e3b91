// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

/**
 * What a device says of itself (SPC-4, 6.6.2).
 *
 * <table>
 * <caption>Standard INQUIRY data</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>0</td><td>1</td><td>bits 5 to 7: qualifier, 0 when the unit is there; bits 0 to 4: type, 0
 *     for disks</td></tr>
 * <tr><td>8</td><td>8</td><td>vendor, ASCII</td></tr>
 * <tr><td>16</td><td>16</td><td>product, ASCII</td></tr>
 * <tr><td>32</td><td>4</td><td>revision, ASCII</td></tr>
 * </table>
 *
 * @param qualifier whether the unit is there
 * @param type what kind of device it is
 * @param vendorField the field as it is, with its spaces
 * @param productField the field as it is, with its spaces
 * @param revision without spaces around
 */
public record InquiryData(
        int qualifier, int type, String vendorField, String productField, String revision) {
    /** How much to ask for, in bytes. */
    public static final int ROOM = 96;

    private static final int DISK = 0;
    private static final int NEEDED = 36;

    /** Reads them. */
    public static InquiryData parse(byte[] data) throws ScsiDataException {
        ScsiBytes bytes = new ScsiBytes(data, "INQUIRY data");
        bytes.require(NEEDED);
        return new InquiryData(
                bytes.byteAt(0) >> 5,
                bytes.byteAt(0) & 0x1F,
                bytes.text(8, 8),
                bytes.text(16, 16),
                bytes.text(32, 4).strip());
    }

    /** Whether there is a disk that can be used. */
    public boolean isDisk() {
        return qualifier == 0 && type == DISK;
    }

    /** The vendor, without spaces around. */
    public String vendor() {
        return vendorField.strip();
    }

    /** The product, without spaces around. */
    public String product() {
        return productField.strip();
    }
}
