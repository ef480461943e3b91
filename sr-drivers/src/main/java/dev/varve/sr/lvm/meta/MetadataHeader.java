// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.vdi.ErrorCode;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The first sector of a metadata area: it says where in the area the text of the group lies.
 * Changing this one sector is what makes a new text valid. Numbers are little-endian.
 *
 * <pre>
 * offset  bytes  what
 *      0      4  checksum of bytes 4 to 511
 *      4     16  " LVM2 x[5A%r0N*&gt;"
 *     20      4  version: 1
 *     24      8  where this area begins, in bytes from the start of the device
 *     32      8  size of the area in bytes, this sector included
 *     40     24  each: a location; one whose offset is 0 ends the list
 *
 * location
 *      0      8  where the text begins, in bytes from the start of the area
 *      8      8  size of the text in bytes, with the zero byte that ends it
 *     16      4  checksum of the text
 *     20      4  flags: bit 0 is set when the area is not to be used
 * </pre>
 *
 * <p>The first location is the valid text. {@code lvm2} has a second one while it changes several
 * devices at a time; it is no use to anyone else. A text that reaches the end of the area goes on
 * at offset 512.
 *
 * <p>Source: {@code lib/format_text/layout.h} of LVM2.
 *
 * @param start where the area begins, in bytes from the start of the device
 * @param size how large the area is, in bytes
 * @param locations the locations, of which the first one counts
 */
record MetadataHeader(long start, long size, List<Location> locations) {
    static final int BYTES = 512;
    static final int IGNORED = 1;

    private static final byte[] MAGIC = " LVM2 x[5A%r0N*>".getBytes(StandardCharsets.US_ASCII);
    private static final int VERSION = 1;
    private static final int LOCATIONS_OFFSET = 40;
    private static final int LOCATION_BYTES = 24;
    private static final int MAXIMUM_LOCATIONS = (BYTES - LOCATIONS_OFFSET) / LOCATION_BYTES;

    /**
     * Where a text lies within its area.
     *
     * @param offset in bytes from the start of the area
     * @param size in bytes
     * @param checksum of the text
     * @param flags what to make of it
     */
    record Location(long offset, long size, int checksum, int flags) {
        boolean isIgnored() {
            return (flags & IGNORED) != 0;
        }
    }

    MetadataHeader {
        locations = List.copyOf(locations);
    }

    /** Where the valid text is; empty when the physical volume belongs to no group. */
    Optional<Location> text() {
        return locations.stream().findFirst().filter(location -> location.size() > 0);
    }

    /** Whether lvm2 was told not to use the area. */
    boolean isIgnored() {
        return !locations.isEmpty() && locations.getFirst().isIgnored();
    }

    /**
     * The header in the first sector of an area.
     *
     * @throws dev.varve.vdi.StorageException SR_METADATA with what is wrong
     */
    static MetadataHeader parse(byte[] bytes, Label.Area area, String where) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        require(Arrays.equals(bytes, 4, 20, MAGIC, 0, 16), "does not begin like one", area, where);
        int checksum = LvmChecksum.of(bytes, 4, BYTES - 4);
        require(buffer.getInt(0) == checksum, "has a wrong checksum", area, where);
        require(buffer.getInt(20) == VERSION, "is not of version 1", area, where);
        require(buffer.getLong(24) == area.offset(), "names another place", area, where);
        require(buffer.getLong(32) == area.size(), "names another size", area, where);
        return new MetadataHeader(
                area.offset(),
                area.size(),
                locations(buffer.position(LOCATIONS_OFFSET), area, where));
    }

    private static List<Location> locations(ByteBuffer buffer, Label.Area area, String where) {
        List<Location> found = new ArrayList<>();
        while (found.size() < MAXIMUM_LOCATIONS) {
            Location location =
                    new Location(
                            buffer.getLong(), buffer.getLong(), buffer.getInt(), buffer.getInt());
            if (location.offset() == 0 && !location.isIgnored()) {
                return found;
            }
            require(isWithin(location, area), "has a text outside its area", area, where);
            found.add(location);
            if (location.offset() == 0) {
                return found;
            }
        }
        return found;
    }

    /** An area that is not used may have no text, yet its mark. */
    private static boolean isWithin(Location location, Label.Area area) {
        return (location.offset() == 0 && location.size() == 0)
                || (location.offset() >= BYTES
                        && location.offset() < area.size()
                        && location.size() >= 0
                        && location.size() <= area.size() - BYTES);
    }

    private static void require(boolean holds, String what, Label.Area area, String where) {
        if (!holds) {
            throw ErrorCode.SR_METADATA.because(
                    "the header of the LVM metadata area at byte %d of %s %s"
                            .formatted(area.offset(), where, what));
        }
    }

    /** The sector. */
    byte[] encode() {
        byte[] bytes = new byte[BYTES];
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putInt(0).put(MAGIC).putInt(VERSION).putLong(start).putLong(size);
        for (Location location : locations) {
            buffer.putLong(location.offset())
                    .putLong(location.size())
                    .putInt(location.checksum())
                    .putInt(location.flags());
        }
        buffer.putInt(0, LvmChecksum.of(bytes, 4, BYTES - 4));
        return bytes;
    }
}
