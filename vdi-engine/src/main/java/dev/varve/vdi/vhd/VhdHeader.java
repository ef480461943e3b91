// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.image.ParentLink;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;

/**
 * The header of a dynamic or differencing disk.
 *
 * <table>
 * <caption>1024 bytes, big-endian</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>8</td><td>cookie {@code cxsparse}</td></tr>
 * <tr><td>8</td><td>8</td><td>all ones</td></tr>
 * <tr><td>16</td><td>8</td><td>offset of the block allocation table, bytes</td></tr>
 * <tr><td>24</td><td>4</td><td>version 0x00010000</td></tr>
 * <tr><td>28</td><td>4</td><td>entries of the table</td></tr>
 * <tr><td>32</td><td>4</td><td>size of a block, bytes; a power of two</td></tr>
 * <tr><td>36</td><td>4</td><td>checksum, as in the footer</td></tr>
 * <tr><td>40</td><td>16</td><td>UUID of the parent</td></tr>
 * <tr><td>56</td><td>4</td><td>modification time of the parent</td></tr>
 * <tr><td>60</td><td>4</td><td>reserved</td></tr>
 * <tr><td>64</td><td>512</td><td>name of the parent, UTF-16, big-endian</td></tr>
 * <tr><td>576</td><td>192</td><td>eight {@link ParentLocator} of 24 bytes</td></tr>
 * <tr><td>768</td><td>256</td><td>reserved, zero</td></tr>
 * </table>
 *
 * @param tableOffset offset of the block allocation table in bytes
 * @param maxTableEntries how many blocks the table has room for
 * @param blockBytes size of a block in bytes
 * @param parentUuid UUID in the parent's footer; zero in a disk without one, and when the parent is
 *     raw
 * @param parentTimestamp modification time of the parent, as in a footer
 * @param parentName file name of the parent, empty in a disk without one
 * @param locators the locators that are in use
 */
public record VhdHeader(
        long tableOffset,
        int maxTableEntries,
        int blockBytes,
        UUID parentUuid,
        int parentTimestamp,
        String parentName,
        List<ParentLocator> locators) {
    /** The size of the structure in bytes. */
    public static final int BYTES = 1024;

    /** The block size of every image that is made here. */
    public static final int DEFAULT_BLOCK_BYTES = 2 << 20;

    static final long COOKIE = 0x6378737061727365L;
    static final int VERSION = 0x00010000;
    static final int OFFSET_TABLE = 16;
    static final int OFFSET_VERSION = 24;
    static final int OFFSET_ENTRIES = 28;
    static final int OFFSET_BLOCK = 32;
    static final int OFFSET_CHECKSUM = 36;
    static final int OFFSET_DATA = 8;
    static final int OFFSET_PARENT = 40;
    static final int OFFSET_PARENT_TIME = 56;
    static final int OFFSET_UNUSED = 60;
    static final int OFFSET_PARENT_NAME = 64;
    static final int OFFSET_LOCATORS = 576;
    static final int OFFSET_RESERVED = 768;
    static final UUID NO_PARENT = new UUID(0, 0);
    static final int LOCATORS = 8;
    static final int PARENT_NAME_BYTES = 512;

    static final int SMALLEST_BLOCK = 64 << 10;
    static final int LARGEST_BLOCK = 256 << 20;

    /** Copies the locators. */
    public VhdHeader {
        locators = List.copyOf(locators);
    }

    /** The header of a disk without parent. */
    public VhdHeader(long tableOffset, int maxTableEntries, int blockBytes) {
        this(tableOffset, maxTableEntries, blockBytes, NO_PARENT, 0, "", List.of());
    }

    /** Reads a header and checks it. */
    public static VhdHeader parse(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        check(in.getLong(0) == COOKIE, "does not begin with 'cxsparse'");
        int stored = in.getInt(OFFSET_CHECKSUM);
        int computed = VhdChecksum.of(bytes, 0, BYTES, OFFSET_CHECKSUM);
        check(
                stored == computed,
                "has checksum %08x where its bytes give %08x".formatted(stored, computed));
        check(in.getInt(OFFSET_VERSION) == VERSION, "is of an unknown version");
        int block = in.getInt(OFFSET_BLOCK);
        check(
                Integer.bitCount(block) == 1 && block >= SMALLEST_BLOCK && block <= LARGEST_BLOCK,
                "has blocks of %d bytes; allowed are powers of two from %d to %d"
                        .formatted(block, SMALLEST_BLOCK, LARGEST_BLOCK));
        int entries = in.getInt(OFFSET_ENTRIES);
        check(entries > 0, "has a table of " + Integer.toUnsignedString(entries) + " entries");
        long table = in.getLong(OFFSET_TABLE);
        check(table > 0 && table % 512 == 0, "has its table at the impossible offset " + table);
        return new VhdHeader(
                table,
                entries,
                block,
                new UUID(in.getLong(OFFSET_PARENT), in.getLong(OFFSET_PARENT + 8)),
                in.getInt(OFFSET_PARENT_TIME),
                parentName(bytes),
                locators(in));
    }

    private static String parentName(byte[] bytes) {
        String text =
                new String(bytes, OFFSET_PARENT_NAME, PARENT_NAME_BYTES, StandardCharsets.UTF_16BE);
        int end = text.indexOf('\0');
        return end < 0 ? text : text.substring(0, end);
    }

    private static List<ParentLocator> locators(ByteBuffer in) {
        List<ParentLocator> found = new ArrayList<>();
        for (int i = 0; i < LOCATORS; i++) {
            ParentLocator locator =
                    ParentLocator.parse(in, OFFSET_LOCATORS + i * ParentLocator.BYTES);
            if (locator.code() != ParentLocator.NONE) {
                found.add(locator);
            }
        }
        return found;
    }

    private static void check(boolean holds, String problem) {
        if (!holds) {
            throw VhdFooter.invalid("the header", problem);
        }
    }

    /** The bytes of the header. */
    public byte[] encode() {
        byte[] bytes = new byte[BYTES];
        ByteBuffer out = ByteBuffer.wrap(bytes);
        out.putLong(0, COOKIE);
        out.putLong(OFFSET_DATA, -1L);
        out.putLong(OFFSET_TABLE, tableOffset);
        out.putInt(OFFSET_VERSION, VERSION);
        out.putInt(OFFSET_ENTRIES, maxTableEntries);
        out.putInt(OFFSET_BLOCK, blockBytes);
        out.putLong(OFFSET_PARENT, parentUuid.getMostSignificantBits());
        out.putLong(OFFSET_PARENT + 8, parentUuid.getLeastSignificantBits());
        out.putInt(OFFSET_PARENT_TIME, parentTimestamp);
        byte[] name = parentName.getBytes(StandardCharsets.UTF_16BE);
        out.put(OFFSET_PARENT_NAME, name, 0, Math.min(name.length, PARENT_NAME_BYTES));
        for (int i = 0; i < locators.size(); i++) {
            locators.get(i).encode(out, OFFSET_LOCATORS + i * ParentLocator.BYTES);
        }
        out.putInt(OFFSET_CHECKSUM, VhdChecksum.of(bytes, 0, BYTES, OFFSET_CHECKSUM));
        return bytes;
    }

    /** Whether the header names a parent of either kind. */
    boolean namesParent() {
        return !parentUuid.equals(NO_PARENT) || !parentName.isEmpty() || !locators.isEmpty();
    }

    /** The link to the parent, with the names that the locators hold before the plain one. */
    ParentLink link(List<String> locatorNames) {
        List<String> names = new ArrayList<>(locatorNames);
        names.add(ParentLocator.fileName(parentName));
        return new ParentLink(
                names.stream().filter(name -> !name.isEmpty()).distinct().toList(), parentUuid);
    }

    /** Whether the parts that no reader knows are zero, as a strict reader demands. */
    static boolean isReservedZero(byte[] bytes) {
        byte[] zeros = new byte[BYTES - OFFSET_RESERVED];
        return Arrays.equals(bytes, OFFSET_RESERVED, BYTES, zeros, 0, zeros.length)
                && ByteBuffer.wrap(bytes).getInt(OFFSET_UNUSED) == 0;
    }

    /** The size of a block's bitmap in whole sectors, in bytes. */
    public int bitmapBytes() {
        return (blockBytes / 512 / 8 + 511) / 512 * 512;
    }

    /** The size of the table in whole sectors, in bytes. */
    public long tableBytes() {
        return ((long) maxTableEntries * 4 + 511) / 512 * 512;
    }

    /** How many blocks a disk of the given size has. */
    int blocks(long sizeBytes) {
        return (int) Math.min(Integer.MAX_VALUE, (sizeBytes + blockBytes - 1) / blockBytes);
    }

    /** The largest disk for which the table has room, in bytes. */
    public long capacityBytes() {
        return (long) maxTableEntries * blockBytes;
    }
}
