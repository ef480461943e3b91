// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.sr.block.BlockMedium;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The label of a physical volume: one sector of 512 bytes among the first four of the device, as a
 * rule the second one. It says which physical volume this is and where its areas lie. Numbers are
 * little-endian.
 *
 * <pre>
 * offset  bytes  what
 *      0      8  "LABELONE"
 *      8      8  the number of this sector
 *     16      4  checksum of bytes 20 to 511
 *     20      4  where the header of the physical volume begins in this sector: 32
 *     24      8  "LVM2 001"
 *     32     32  identifier of the physical volume, without hyphens
 *     64      8  size of the device in bytes
 *     72     16  each: a data area, offset and size in bytes from the start of the device; size 0
 *                is up to the end. A pair of zeros ends the list
 *            16  each: a metadata area, in the same way, with its pair of zeros
 *             4  version of what follows: 0 nothing follows, 1 or 2
 *             4  flags: bit 0 is set when the physical volume belongs to a group
 *            16  each: an area for a boot loader, in the same way, with its pair of zeros
 * </pre>
 *
 * <p>Source: {@code lib/label/label.h} and {@code lib/format_text/layout.h} of LVM2.
 *
 * @param sector the number of the sector that holds it: 0 to 3
 * @param pv the identifier of the physical volume
 * @param deviceBytes how large its device was when it was made
 * @param dataAreas where extents lie
 * @param metadataAreas where descriptions of the group lie: none, one or two
 * @param extensionVersion the version of what follows the areas
 * @param extensionFlags its flags
 * @param bootAreas areas for boot loaders
 */
public record Label(
        int sector,
        LvmId pv,
        long deviceBytes,
        List<Area> dataAreas,
        List<Area> metadataAreas,
        int extensionVersion,
        int extensionFlags,
        List<Area> bootAreas) {
    /** How large the sector is that holds it. */
    public static final int BYTES = 512;

    /** A label is in one of this many sectors at the start of the device. */
    public static final int SECTORS = 4;

    /** The flag of a physical volume that belongs to a group. */
    static final int USED = 1;

    static final int EXTENSION_VERSION = 2;
    private static final byte[] MAGIC = ascii("LABELONE");
    private static final byte[] TYPE = ascii("LVM2 001");
    private static final int CHECKSUM_OFFSET = 16;
    private static final int CHECKED_FROM = 20;
    private static final int HEADER_OFFSET = 32;
    private static final int PAIR_BYTES = 16;

    /**
     * A part of a device.
     *
     * @param offset in bytes from the start of the device
     * @param size in bytes; 0 for a data area is up to the end
     */
    public record Area(long offset, long size) {}

    /** Copies the lists. */
    public Label {
        dataAreas = List.copyOf(dataAreas);
        metadataAreas = List.copyOf(metadataAreas);
        bootAreas = List.copyOf(bootAreas);
    }

    /** Whether the physical volume belongs to a group, as far as the label says so. */
    public boolean isUsed() {
        return (extensionFlags & USED) != 0;
    }

    /**
     * The label of a device, if it is a physical volume.
     *
     * @throws StorageException PVS_FAILED when the only label there is damaged
     */
    static Optional<Label> read(BlockMedium medium) {
        int length = (int) Math.min(SECTORS * BYTES, medium.sizeBytes() / BYTES * BYTES);
        byte[] start = medium.read(0, length);
        StorageException damage = null;
        for (int sector = 0; sector < length / BYTES; sector++) {
            byte[] bytes = new byte[BYTES];
            System.arraycopy(start, sector * BYTES, bytes, 0, BYTES);
            if (isLabel(bytes)) {
                try {
                    return Optional.of(parse(bytes, sector, medium.name()));
                } catch (StorageException damaged) {
                    damage = damaged;
                }
            }
        }
        if (damage != null) {
            throw damage;
        }
        return Optional.empty();
    }

    /** Whether a sector begins like a label. */
    static boolean isLabel(byte[] sector) {
        return matches(sector, 0, MAGIC);
    }

    /**
     * The label in a sector that {@link #isLabel} holds for.
     *
     * @throws StorageException PVS_FAILED with what is wrong
     */
    static Label parse(byte[] bytes, int sector, String where) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        require(buffer.getLong(8) == sector, "names another sector than its own", where, sector);
        int checksum = LvmChecksum.of(bytes, CHECKED_FROM, BYTES - CHECKED_FROM);
        require(buffer.getInt(CHECKSUM_OFFSET) == checksum, "has a wrong checksum", where, sector);
        require(matches(bytes, 24, TYPE), "is not of the type LVM2 001", where, sector);
        int header = buffer.getInt(CHECKED_FROM);
        require(
                header >= HEADER_OFFSET && header <= BYTES - 40,
                "has its header outside the sector",
                where,
                sector);
        String characters = new String(bytes, header, 32, StandardCharsets.ISO_8859_1);
        LvmId id;
        try {
            id = LvmId.ofCharacters(characters);
        } catch (IllegalArgumentException none) {
            throw ErrorCode.PVS_FAILED.because(
                    message("has an identifier that is none", where, sector), none);
        }
        buffer.position(header + 32);
        long deviceBytes = buffer.getLong();
        List<Area> data = areas(buffer, where, sector);
        List<Area> metadata = areas(buffer, where, sector);
        int version = buffer.remaining() >= 8 ? buffer.getInt() : 0;
        int flags = version > 0 ? buffer.getInt() : 0;
        List<Area> boot = version > 0 ? areas(buffer, where, sector) : List.of();
        return new Label(sector, id, deviceBytes, data, metadata, version, flags, boot);
    }

    private static List<Area> areas(ByteBuffer buffer, String where, int sector) {
        List<Area> areas = new ArrayList<>();
        while (true) {
            require(buffer.remaining() >= PAIR_BYTES, "has a list without end", where, sector);
            Area area = new Area(buffer.getLong(), buffer.getLong());
            if (area.offset() == 0) {
                return areas;
            }
            require(
                    area.offset() > 0 && area.size() >= 0 && area.offset() + area.size() > 0,
                    "has an area outside all devices",
                    where,
                    sector);
            areas.add(area);
        }
    }

    private static void require(boolean holds, String what, String where, int sector) {
        if (!holds) {
            throw ErrorCode.PVS_FAILED.because(message(what, where, sector));
        }
    }

    private static String message(String what, String where, int sector) {
        return "the LVM label in sector %d of %s %s".formatted(sector, where, what);
    }

    /** The sector. */
    byte[] encode() {
        byte[] bytes = new byte[BYTES];
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        buffer.put(MAGIC).putLong(sector).putInt(0).putInt(HEADER_OFFSET).put(TYPE);
        buffer.put(ascii(pv.characters())).putLong(deviceBytes);
        put(buffer, dataAreas);
        put(buffer, metadataAreas);
        if (extensionVersion > 0) {
            buffer.putInt(extensionVersion).putInt(extensionFlags);
            put(buffer, bootAreas);
        }
        int checksum = LvmChecksum.of(bytes, CHECKED_FROM, BYTES - CHECKED_FROM);
        buffer.putInt(CHECKSUM_OFFSET, checksum);
        return bytes;
    }

    private static void put(ByteBuffer buffer, List<Area> areas) {
        for (Area area : areas) {
            buffer.putLong(area.offset()).putLong(area.size());
        }
        buffer.putLong(0).putLong(0);
    }

    private static boolean matches(byte[] bytes, int offset, byte[] expected) {
        return Arrays.equals(bytes, offset, offset + expected.length, expected, 0, expected.length);
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }
}
