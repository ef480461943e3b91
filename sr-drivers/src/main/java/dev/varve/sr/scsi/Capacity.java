// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

/**
 * The size and the shape of a disk: the data of READ CAPACITY (16) (SBC-3, 5.16.2).
 *
 * <table>
 * <caption>32 bytes, big-endian</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>0</td><td>8</td><td>the last block</td></tr>
 * <tr><td>8</td><td>4</td><td>bytes in a block</td></tr>
 * <tr><td>12</td><td>1</td><td>bit 0: blocks carry protection information</td></tr>
 * <tr><td>13</td><td>1</td><td>low 4 bits: logical blocks in a physical one, as a power of two</td></tr>
 * <tr><td>14</td><td>2</td><td>bit 15: blocks can be given up; bit 14: those read as zero</td></tr>
 * </table>
 *
 * @param blocks how many blocks there are
 * @param blockBytes bytes in a logical block
 * @param physicalBlockBytes bytes in a physical block
 * @param isProtected whether blocks carry protection information
 * @param isThin whether blocks can be given up (LBPME)
 * @param unmappedIsZero whether blocks that were given up read as zero (LBPRZ)
 */
public record Capacity(
        long blocks,
        int blockBytes,
        int physicalBlockBytes,
        boolean isProtected,
        boolean isThin,
        boolean unmappedIsZero) {
    /** How much to ask for, in bytes. */
    public static final int ROOM = 32;

    private static final int MAX_BLOCK_BYTES = 1 << 16;
    private static final int MIN_BLOCK_BYTES = 512;
    private static final int MIN_DATA_BYTES = 16;

    /** Reads it; refuses sizes that cannot be counted in bytes. */
    public static Capacity parse(byte[] data) throws ScsiDataException {
        ScsiBytes bytes = new ScsiBytes(data, "READ CAPACITY data");
        bytes.require(MIN_DATA_BYTES);
        long last = bytes.longAt(0);
        long block = bytes.intAt(8);
        boolean power = Long.bitCount(block) == 1;
        if (!power || block < MIN_BLOCK_BYTES || block > MAX_BLOCK_BYTES) {
            throw new ScsiDataException("the device has blocks of %d bytes".formatted(block));
        }
        if (last < 0 || last >= Long.MAX_VALUE / block - 1) {
            throw new ScsiDataException("the device would have %x blocks".formatted(last));
        }
        int exponent = bytes.byteAt(13) & 0xF;
        int flags = bytes.byteAt(14);
        return new Capacity(
                last + 1,
                (int) block,
                (int) block << Math.min(exponent, 8),
                (bytes.byteAt(12) & 1) != 0,
                (flags & 0x80) != 0,
                (flags & 0x40) != 0);
    }

    /** The size in bytes. */
    public long bytes() {
        return blocks * blockBytes;
    }
}
