// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import java.nio.ByteBuffer;

/**
 * The batmap of blktap: one bit for each block, set when every sector of the block was written, so
 * that a reader need not look at the block's own bitmap. Its header follows the block allocation
 * table.
 *
 * <table>
 * <caption>Header, 512 bytes, big-endian</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>8</td><td>cookie {@code tdbatmap}</td></tr>
 * <tr><td>8</td><td>8</td><td>offset of the bits, bytes</td></tr>
 * <tr><td>16</td><td>4</td><td>size of the bits, sectors</td></tr>
 * <tr><td>20</td><td>4</td><td>version 0x00010002</td></tr>
 * <tr><td>24</td><td>4</td><td>one's complement of the sum of the bytes in use</td></tr>
 * <tr><td>28</td><td>1</td><td>marker</td></tr>
 * <tr><td>29</td><td>65</td><td>hash of the encryption key</td></tr>
 * <tr><td>94</td><td>418</td><td>reserved</td></tr>
 * </table>
 *
 * The bits are MSB first. The bytes in use are those for the present size of the disk, in whole
 * sectors, and at least one.
 *
 * @param offset where the bits are, in bytes
 * @param sectors how many sectors there are for them
 * @param checksum of the bytes in use
 */
record Batmap(long offset, int sectors, int checksum) {
    static final int HEADER_BYTES = 512;

    static final int OFFSET_VERSION = 20;
    private static final int OFFSET_KEY_HASH = 29;
    static final long COOKIE = 0x74646261746D6170L;
    static final int VERSION = 0x00010002;
    static final int OLD_VERSION = 0x00010001;

    /** Where the header is. */
    static long headerOffset(VhdHeader header) {
        return header.tableOffset() + header.tableBytes();
    }

    /** The batmap of a new image, all bits clear. */
    static Batmap initial(VhdHeader header) {
        int sectors = (int) Math.max(1, ((header.maxTableEntries() + 7) / 8L + 511) / 512);
        return new Batmap(headerOffset(header) + HEADER_BYTES, sectors, ~0);
    }

    /** How many bytes of the bits count for a disk of the given size. */
    static int usedBytes(long sizeBytes, int blockBytes) {
        long blocks = (sizeBytes + blockBytes - 1) / blockBytes;
        return (int) Math.max(512, ((blocks + 7) / 8 + 511) / 512 * 512);
    }

    /** The header as it lies in the sector, or null when there is none that can be used. */
    static Batmap parse(byte[] sector) {
        ByteBuffer in = ByteBuffer.wrap(sector);
        if (in.getLong(0) != COOKIE) {
            return null;
        }
        int version = in.getInt(OFFSET_VERSION);
        if (version != VERSION && version != OLD_VERSION) {
            return null;
        }
        return new Batmap(in.getLong(8), in.getInt(16), in.getInt(24));
    }

    /** Whether the header carries the hash of a key: the data of the disk is encrypted with it. */
    static boolean isEncrypted(byte[] sector) {
        return sector[OFFSET_KEY_HASH] != 0;
    }

    /** The header for the given bits. */
    byte[] encode(byte[] used) {
        byte[] sector = new byte[HEADER_BYTES];
        ByteBuffer out = ByteBuffer.wrap(sector);
        out.putLong(0, COOKIE);
        out.putLong(8, offset);
        out.putInt(16, sectors);
        out.putInt(OFFSET_VERSION, VERSION);
        out.putInt(24, VhdChecksum.of(used));
        return sector;
    }

    /** Whether the bits are those that the header was written for. */
    boolean matches(byte[] used) {
        return VhdChecksum.of(used) == checksum;
    }

    /** As {@link #matches} where the header is of version 1.1, which summed signed bytes. */
    boolean matchesSigned(byte[] used) {
        int sum = 0;
        for (byte each : used) {
            sum += each;
        }
        return ~sum == checksum;
    }

    /** The end of the bits, in bytes. */
    long end() {
        return offset + 512L * sectors;
    }
}
