// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import static dev.varve.vdi.vhd.Findings.DAMAGED;

import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.vhd.VhdFinding.Weight;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Checks where the block table puts blocks, and their bitmaps. Of blocks that are partly written in
 * an image without parent the other part is read, too.
 */
final class TableCheck {
    private static final String TABLE = "the table";
    private static final int SECTOR = 512;
    private static final int CHUNK_BYTES = 1 << 20;

    /** A sector and a block in one number that sorts by the sector. */
    private static final int BLOCK_BITS = 31;

    private static final long BLOCK_MASK = (1L << BLOCK_BITS) - 1;

    /** A part of the volume that is taken. */
    private record Room(long from, long to, String what) {}

    private final Findings findings;
    private final BlockAccess access;
    private final VhdImage image;
    private final VhdHeader header;
    private final long blockSpanBytes;
    private long[] placed = new long[64];
    private int count;
    private long partlyZero;
    private long firstPartly = -1;

    TableCheck(Findings findings, BlockAccess access, VhdImage image) {
        this.findings = findings;
        this.access = access;
        this.image = image;
        this.header = image.header();
        this.blockSpanBytes = header.bitmapBytes() + (long) header.blockBytes();
    }

    void check() {
        readTable();
        Arrays.sort(placed, 0, count);
        checkOverlaps();
        byte[] full = image.readFull(access);
        checkBitmaps(full);
        checkNothingElseIsFull(full);
    }

    // ---- the table

    private void readTable() {
        long bytes = header.tableBytes();
        int inUse = header.blocks(image.footer().currentSize());
        long behind = 0;
        for (long at = 0; at < bytes; at += CHUNK_BYTES) {
            int length = (int) Math.min(CHUNK_BYTES, bytes - at);
            ByteBuffer in = ByteBuffer.wrap(access.read(header.tableOffset() + at, length));
            int first = (int) (at / 4);
            int entries = Math.min(length / 4, header.maxTableEntries() - first);
            for (int i = 0; i < entries; i++) {
                int entry = in.getInt(4 * i);
                if (entry != VhdImage.UNUSED && first + i < inUse) {
                    take(first + i, Integer.toUnsignedLong(entry));
                } else if (entry != VhdImage.UNUSED) {
                    behind++;
                }
            }
        }
        findings.require(
                behind == 0,
                TABLE,
                "names %d blocks behind the disk's end".formatted(behind),
                Findings.UNUSUAL);
    }

    private void take(int block, long sector) {
        long from = sector * SECTOR;
        boolean inside =
                findings.require(
                        from + blockSpanBytes <= image.volumeBytes(),
                        TABLE,
                        "puts block %d at sector %d, past the end of the volume of %d bytes"
                                .formatted(block, sector, image.volumeBytes()),
                        DAMAGED);
        if (inside
                && findings.require(
                        from >= image.metadataEnd(),
                        TABLE,
                        "puts block %d at sector %d, into the metadata, which ends at %d bytes"
                                .formatted(block, sector, image.metadataEnd()),
                        DAMAGED)) {
            if (count == placed.length) {
                placed = Arrays.copyOf(placed, 2 * count);
            }
            placed[count++] = sector << BLOCK_BITS | block;
        }
    }

    private long from(int index) {
        return (placed[index] >>> BLOCK_BITS) * SECTOR;
    }

    private int block(int index) {
        return (int) (placed[index] & BLOCK_MASK);
    }

    private void checkOverlaps() {
        for (int i = 1; i < count; i++) {
            findings.require(
                    from(i) >= from(i - 1) + blockSpanBytes,
                    TABLE,
                    "puts block %d at sector %d, into block %d at sector %d"
                            .formatted(
                                    block(i), from(i) / SECTOR, block(i - 1), from(i - 1) / SECTOR),
                    DAMAGED);
        }
        for (Room room : names()) {
            checkRoom(room);
        }
        long end = count == 0 ? 0 : from(count - 1) + blockSpanBytes;
        if (image.closed() && end > image.volumeBytes() - VhdFooter.BYTES) {
            findings.add(
                    Weight.UNCLEAN,
                    VhdCheck.END,
                    "lies inside the last block: it is data of the disk that looks like one",
                    VhdCheck.REPAIR);
        }
    }

    private List<Room> names() {
        List<Room> rooms = new ArrayList<>();
        for (ParentLocator locator : header.locators()) {
            if (locator.offset() >= 0 && locator.endBytes() <= image.volumeBytes()) {
                rooms.add(new Room(locator.offset(), locator.endBytes(), "a name of the parent"));
            }
        }
        return rooms;
    }

    private void checkRoom(Room room) {
        for (int i = 0; i < count; i++) {
            findings.require(
                    from(i) >= room.to() || from(i) + blockSpanBytes <= room.from(),
                    TABLE,
                    "puts block %d at sector %d, onto %s at %d bytes"
                            .formatted(block(i), from(i) / SECTOR, room.what(), room.from()),
                    DAMAGED);
        }
    }

    // ---- bitmaps

    private void checkBitmaps(byte[] full) {
        boolean alone = image.footer().type() == VhdFooter.Type.DYNAMIC;
        for (int i = 0; i < count; i++) {
            byte[] bits = access.read(from(i), header.bitmapBytes());
            boolean whole = isWhole(bits);
            int block = block(i);
            boolean marked = (full[block >> 3] & 0x80 >> (block & 7)) != 0;
            findings.require(
                    whole || !marked,
                    BatmapCheck.WHERE,
                    "says that block %d is fully written, and the block's bitmap does not"
                            .formatted(block),
                    DAMAGED);
            if (alone && !whole) {
                lookForData(block, from(i) + header.bitmapBytes(), bits);
            }
        }
        if (partlyZero > 0) {
            findings.add(
                    Weight.NOTE,
                    "the bitmap of block " + firstPartly,
                    "and of %d more has sectors as not written that are not zero"
                            .formatted(partlyZero - 1),
                    "a write that a crash interrupted, and that nobody was told is safe, leaves"
                            + " that; the disk reads as zero there");
        }
    }

    private void checkNothingElseIsFull(byte[] full) {
        for (int i = 0; i < count; i++) {
            full[block(i) >> 3] &= (byte) ~(0x80 >> (block(i) & 7));
        }
        int left = 0;
        for (byte bits : full) {
            left += Integer.bitCount(bits & 0xFF);
        }
        if (left > 0) {
            findings.add(
                    Weight.NOTE,
                    BatmapCheck.WHERE,
                    "calls %d blocks fully written that have no place".formatted(left),
                    "a crash after blocks were given up leaves that, and nobody reads it; it goes"
                            + " when the disk is attached and detached");
        }
    }

    private boolean isWhole(byte[] bits) {
        int bytes = header.blockBytes() / SECTOR / 8;
        for (int i = 0; i < bytes; i++) {
            if (bits[i] != (byte) 0xFF) {
                return false;
            }
        }
        return true;
    }

    private void lookForData(int block, long dataFrom, byte[] bits) {
        for (int at = 0; at < header.blockBytes(); at += CHUNK_BYTES) {
            int length = Math.min(CHUNK_BYTES, header.blockBytes() - at);
            byte[] data = access.read(dataFrom + at, length);
            for (int within = 0; within < length; within += SECTOR) {
                int sector = (at + within) / SECTOR;
                boolean written = (bits[sector >> 3] & 0x80 >> (sector & 7)) != 0;
                if (!written && !HeaderCheck.isZero(data, within, SECTOR)) {
                    partlyZero++;
                    firstPartly = firstPartly < 0 ? block : firstPartly;
                    return;
                }
            }
        }
    }
}
