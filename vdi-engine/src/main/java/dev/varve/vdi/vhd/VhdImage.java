// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.image.BlockAccess;

import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * The metadata of an image as it was found: read and checked once, before a lane takes over.
 *
 * <p>The footer at the end is the one that other programs trust, but the one at the start is
 * written first and never lies inside data. When the one at the end is missing the image was not
 * closed: it is <i>unclean</i>, the first footer is used, and whatever lies behind the last block
 * is left over from writes that nobody was told were safe.
 *
 * @param header null for a fixed disk
 * @param bat first sector of each block, or {@link #UNUSED}; only as many entries as the disk needs
 * @param full the bits of the batmap, one for each block; all clear when there is none or it is
 *     stale
 * @param batmap where the batmap is, or null
 * @param clean whether the footer at the end is there and agrees with the first
 * @param firstInOrder whether the sector at the start holds {@link #footer}, byte for byte
 * @param metadataEnd where the header, the table and the batmap end, in bytes; blocks lie behind it
 * @param dataEnd where the last block ends, in bytes
 */
record VhdImage(
        VhdFooter footer,
        VhdHeader header,
        int[] bat,
        byte[] full,
        Batmap batmap,
        boolean clean,
        boolean firstInOrder,
        long metadataEnd,
        long dataEnd) {
    /** An entry of the table that names no block. */
    static final int UNUSED = -1;

    /** The largest disk, in bytes: 2040 GiB. */
    static final long MAXIMUM_BYTES = 2040L << 30;

    /**
     * Tables in use beyond this many blocks are refused: memory for them is taken before any I/O.
     */
    static final int MOST_BLOCKS = 1 << 23;

    private static final int CHUNK_BYTES = 1 << 20;
    private static final int SECTOR = 512;

    /** Reads and checks the metadata of an image. */
    static VhdImage read(BlockAccess access) {
        long size = access.sizeBytes() / SECTOR * SECTOR;
        if (size < VhdFooter.BYTES) {
            throw VhdFooter.invalid("the volume", "is only " + access.sizeBytes() + " bytes long");
        }
        byte[] first = access.read(0, VhdFooter.BYTES);
        byte[] last = access.read(size - VhdFooter.BYTES, VhdFooter.BYTES);
        VhdFooter footer = footer(first, last, size);
        checkSize(footer);
        if (footer.type() == VhdFooter.Type.FIXED) {
            return fixed(footer, size);
        }
        return dynamic(access, footer, first, last, size);
    }

    /**
     * The footer to go by. Sector 0 of a fixed disk belongs to its user, who may have put the copy
     * of another image there; so a footer at the end that describes exactly this volume as a fixed
     * disk goes before whatever the first sector looks like.
     */
    private static VhdFooter footer(byte[] first, byte[] last, long size) {
        boolean atEnd = VhdFooter.isFooter(last);
        if (atEnd && isFixedOf(last, size)) {
            return VhdFooter.parse(last, "the footer at the end");
        }
        if (VhdFooter.isFooter(first)) {
            try {
                return VhdFooter.parse(first, "the footer at the start");
            } catch (dev.varve.vdi.StorageException damaged) {
                if (!atEnd) {
                    throw damaged;
                }
            }
        }
        if (!atEnd) {
            throw VhdFooter.invalid(
                    "the volume", "has a footer neither at its start nor at its end");
        }
        return VhdFooter.parse(last, "the footer at the end");
    }

    private static boolean isFixedOf(byte[] last, long size) {
        try {
            VhdFooter footer = VhdFooter.parse(last, "the footer at the end");
            return footer.type() == VhdFooter.Type.FIXED
                    && footer.dataOffset() == VhdFooter.NO_HEADER
                    && footer.currentSize() == size - VhdFooter.BYTES;
        } catch (dev.varve.vdi.StorageException damaged) {
            return false;
        }
    }

    private static void checkSize(VhdFooter footer) {
        long size = footer.currentSize();
        if (size <= 0 || size % SECTOR != 0 || size > MAXIMUM_BYTES) {
            throw VhdFooter.invalid(
                    "the footer",
                    "gives a disk of %s bytes; allowed are multiples of 512 up to %d"
                            .formatted(Long.toUnsignedString(size), MAXIMUM_BYTES));
        }
    }

    private static VhdImage fixed(VhdFooter footer, long size) {
        if (footer.currentSize() > size - VhdFooter.BYTES) {
            throw VhdFooter.invalid(
                    "the volume",
                    "ends after %d bytes, before the fixed disk of %d bytes does"
                            .formatted(size, footer.currentSize()));
        }
        return new VhdImage(
                footer, null, new int[0], new byte[0], null, true, true, 0, footer.currentSize());
    }

    private static VhdImage dynamic(
            BlockAccess access, VhdFooter footer, byte[] first, byte[] last, long size) {
        if (footer.type() == VhdFooter.Type.DIFFERENCING) {
            throw VhdFooter.invalid(
                    "the image", "has a parent; chains of images cannot be opened yet");
        }
        long headerAt = footer.dataOffset();
        if (headerAt < VhdFooter.BYTES
                || headerAt % SECTOR != 0
                || headerAt > size - VhdHeader.BYTES) {
            throw VhdFooter.invalid(
                    "the footer", "puts the header at the impossible offset " + headerAt);
        }
        long headerEnd = headerAt + VhdHeader.BYTES;
        VhdHeader header = VhdHeader.parse(access.read(headerAt, VhdHeader.BYTES));
        if (header.capacityBytes() < footer.currentSize()) {
            throw VhdFooter.invalid(
                    "the header",
                    "has a table for %d bytes, less than the disk of %d bytes"
                            .formatted(header.capacityBytes(), footer.currentSize()));
        }
        if (header.tableOffset() > size - header.tableBytes()) {
            throw VhdFooter.invalid("the table", "goes past the end of the volume");
        }
        long tableEnd = header.tableOffset() + header.tableBytes();
        if (header.tableOffset() < headerEnd && tableEnd > headerAt) {
            throw VhdFooter.invalid("the header", "lies inside its own table");
        }
        int[] bat = readTable(access, header, footer);
        Batmap batmap = readBatmap(access, header, footer, headerAt, size);
        byte[] full = readFull(access, batmap, footer, header);
        long metadataEnd = Math.max(headerEnd, batmap == null ? tableEnd : batmap.end());
        long dataEnd = checkTable(bat, header, metadataEnd, size);
        // A guest can write what looks like the footer into the last sector of the last block.
        boolean clean =
                VhdFooter.isFooter(last)
                        && Arrays.equals(first, last)
                        && dataEnd <= size - VhdFooter.BYTES;
        return new VhdImage(
                footer,
                header,
                bat,
                full,
                batmap,
                clean,
                Arrays.equals(first, footer.encode()),
                metadataEnd,
                dataEnd);
    }

    private static int[] readTable(BlockAccess access, VhdHeader header, VhdFooter footer) {
        int block = header.blockBytes();
        int entries = (int) ((footer.currentSize() + block - 1) / block);
        if (entries > MOST_BLOCKS) {
            throw VhdFooter.invalid(
                    "the disk",
                    "has %d blocks of %d bytes, more than the %d that can be served"
                            .formatted(entries, block, MOST_BLOCKS));
        }
        int[] bat = new int[entries];
        int bytes = (entries * 4 + SECTOR - 1) / SECTOR * SECTOR;
        for (int at = 0; at < bytes; at += CHUNK_BYTES) {
            int length = Math.min(CHUNK_BYTES, bytes - at);
            ByteBuffer in = ByteBuffer.wrap(access.read(header.tableOffset() + at, length));
            int from = at / 4;
            int count = Math.min(length / 4, entries - from);
            in.asIntBuffer().get(bat, from, count);
        }
        return bat;
    }

    private static Batmap readBatmap(
            BlockAccess access, VhdHeader header, VhdFooter footer, long headerAt, long size) {
        long at = Batmap.headerOffset(header);
        if (!footer.mayHaveBatmap() || at > size - Batmap.HEADER_BYTES) {
            return null;
        }
        byte[] sector = access.read(at, Batmap.HEADER_BYTES);
        Batmap batmap = Batmap.parse(sector);
        if (batmap != null && Batmap.isEncrypted(sector)) {
            throw VhdFooter.invalid(
                    "the image", "is encrypted; encrypted images cannot be opened yet");
        }
        int used = Batmap.usedBytes(footer.currentSize(), header.blockBytes());
        boolean usable =
                batmap != null
                        && batmap.offset() >= at + Batmap.HEADER_BYTES
                        && batmap.offset() % SECTOR == 0
                        && batmap.offset() <= size
                        && batmap.sectors() >= used / SECTOR
                        && batmap.sectors() <= 1 << 20
                        && batmap.offset() <= size - 512L * batmap.sectors()
                        && (batmap.end() <= headerAt || at >= headerAt + VhdHeader.BYTES);
        return usable ? batmap : null;
    }

    /**
     * A batmap whose checksum is wrong was being written when its writer ended; it tells nothing.
     */
    private static byte[] readFull(
            BlockAccess access, Batmap batmap, VhdFooter footer, VhdHeader header) {
        int bytes = Batmap.usedBytes(footer.currentSize(), header.blockBytes());
        if (batmap == null) {
            return new byte[bytes];
        }
        byte[] bits = access.read(batmap.offset(), bytes);
        return batmap.matches(bits) ? bits : new byte[bytes];
    }

    /** Checks that blocks lie inside the volume, behind the metadata, and do not overlap. */
    private static long checkTable(int[] bat, VhdHeader header, long metadataEnd, long size) {
        long blockSectors = (header.bitmapBytes() + (long) header.blockBytes()) / SECTOR;
        long[] starts = new long[bat.length];
        int count = 0;
        for (int i = 0; i < bat.length; i++) {
            if (bat[i] != UNUSED) {
                long sector = Integer.toUnsignedLong(bat[i]);
                if (sector * SECTOR < metadataEnd || (sector + blockSectors) * SECTOR > size) {
                    throw VhdFooter.invalid(
                            "the table",
                            "puts block %d at sector %d, outside the volume's data from %d to %d bytes"
                                    .formatted(i, sector, metadataEnd, size));
                }
                starts[count++] = sector;
            }
        }
        Arrays.sort(starts, 0, count);
        for (int i = 1; i < count; i++) {
            if (starts[i] - starts[i - 1] < blockSectors) {
                throw VhdFooter.invalid(
                        "the table",
                        "has two blocks that overlap, at sectors %d and %d"
                                .formatted(starts[i - 1], starts[i]));
            }
        }
        return count == 0 ? metadataEnd : (starts[count - 1] + blockSectors) * SECTOR;
    }
}
