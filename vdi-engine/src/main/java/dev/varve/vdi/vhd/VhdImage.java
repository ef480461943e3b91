// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ParentLink;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The metadata of an image as it was found, without its block table: what can be read at once.
 *
 * <p>The footer at the end is the one that other programs trust, but the one at the start is
 * written first and never lies inside data. When the one at the end is missing the image was not
 * closed: it is <i>unclean</i>, the first footer is used, and whatever lies behind the last block
 * is left over from writes that nobody was told were safe.
 *
 * @param header null for a fixed disk
 * @param parent the link of a differencing disk, or null
 * @param batmap where the batmap is, or null
 * @param closed whether the footer at the end is there and agrees with the first; an image whose
 *     last block ends with the volume can look so by chance, which {@link VhdTable} finds out
 * @param firstInOrder whether the sector at the start holds {@link #footer}, byte for byte
 * @param metadataEnd where the header, the table and the batmap end, in bytes; blocks lie behind it
 * @param volumeBytes how long the volume is, in whole sectors
 */
record VhdImage(
        VhdFooter footer,
        VhdHeader header,
        ParentLink parent,
        Batmap batmap,
        boolean closed,
        boolean firstInOrder,
        long metadataEnd,
        long volumeBytes) {
    /** An entry of the table that names no block. */
    static final int UNUSED = -1;

    /** The largest disk, in bytes: 2040 GiB. */
    static final long MAXIMUM_BYTES = 2040L << 30;

    /**
     * Tables in use beyond this many blocks are refused: memory for what is kept of each is taken
     * before any I/O.
     */
    static final int MOST_BLOCKS = 1 << 23;

    private static final int SECTOR = 512;

    /** How many bytes at the start of an image are read together: footer and header, mostly. */
    private static final int HEAD_BYTES = 4096;

    /** The same metadata in a volume of another length. */
    VhdImage withVolume(long bytes) {
        return new VhdImage(
                footer, header, parent, batmap, closed, firstInOrder, metadataEnd, bytes);
    }

    /** Reads and checks the metadata of an image. */
    static VhdImage read(BlockAccess access) {
        long size = access.sizeBytes() / SECTOR * SECTOR;
        if (size < VhdFooter.BYTES) {
            throw VhdFooter.invalid("the volume", "is only " + access.sizeBytes() + " bytes long");
        }
        byte[] head = access.read(0, (int) Math.min(HEAD_BYTES, size));
        byte[] first = Arrays.copyOf(head, VhdFooter.BYTES);
        byte[] last = access.read(size - VhdFooter.BYTES, VhdFooter.BYTES);
        VhdFooter footer = footer(first, last, size);
        checkSize(footer);
        if (footer.type() == VhdFooter.Type.FIXED) {
            return fixed(footer, size);
        }
        return dynamic(access, footer, head, last, size);
    }

    /**
     * The footer to go by. Sector 0 of a fixed disk belongs to its user, who may have put the copy
     * of another image there; so a footer at the end that describes exactly this volume as a fixed
     * disk goes before whatever the first sector looks like.
     */
    static VhdFooter footer(byte[] first, byte[] last, long size) {
        boolean atEnd = VhdFooter.isFooter(last);
        if (atEnd && isFixedOf(last, size)) {
            return VhdFooter.parse(last, "the footer at the end");
        }
        if (VhdFooter.isFooter(first)) {
            try {
                return VhdFooter.parse(first, "the footer at the start");
            } catch (StorageException damaged) {
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

    /** Whether the last sector is the footer of a fixed disk that takes exactly this volume. */
    static boolean isFixedOf(byte[] last, long size) {
        try {
            VhdFooter footer = VhdFooter.parse(last, "the footer at the end");
            return footer.type() == VhdFooter.Type.FIXED
                    && footer.dataOffset() == VhdFooter.NO_HEADER
                    && footer.currentSize() == size - VhdFooter.BYTES;
        } catch (StorageException damaged) {
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
        return new VhdImage(footer, null, null, null, true, true, 0, size);
    }

    private static VhdImage dynamic(
            BlockAccess access, VhdFooter footer, byte[] head, byte[] last, long size) {
        long headerAt = footer.dataOffset();
        if (headerAt < VhdFooter.BYTES
                || headerAt % SECTOR != 0
                || headerAt > size - VhdHeader.BYTES) {
            throw VhdFooter.invalid(
                    "the footer", "puts the header at the impossible offset " + headerAt);
        }
        long headerEnd = headerAt + VhdHeader.BYTES;
        byte[] headerBytes =
                headerEnd <= head.length
                        ? Arrays.copyOfRange(head, (int) headerAt, (int) headerEnd)
                        : access.read(headerAt, VhdHeader.BYTES);
        VhdHeader header = VhdHeader.parse(headerBytes);
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
        if (header.blocks(footer.currentSize()) > MOST_BLOCKS) {
            throw VhdFooter.invalid(
                    "the disk",
                    "has %d blocks of %d bytes, more than the %d that can be served"
                            .formatted(
                                    header.blocks(footer.currentSize()),
                                    header.blockBytes(),
                                    MOST_BLOCKS));
        }
        Batmap batmap = readBatmap(access, header, footer, headerAt, size);
        byte[] first = Arrays.copyOf(head, VhdFooter.BYTES);
        return new VhdImage(
                footer,
                header,
                footer.type() == VhdFooter.Type.DIFFERENCING ? link(access, header, size) : null,
                batmap,
                VhdFooter.isFooter(last) && Arrays.equals(first, last),
                Arrays.equals(first, footer.encode()),
                Math.max(headerEnd, batmap == null ? tableEnd : batmap.end()),
                size);
    }

    private static ParentLink link(BlockAccess access, VhdHeader header, long size) {
        List<String> names = new ArrayList<>();
        for (ParentLocator locator : header.locators()) {
            if (locator.isKnown()) {
                byte[] bytes = readName(access, locator, size);
                if (bytes != null) {
                    names.add(ParentLocator.fileName(locator.decodePath(bytes)));
                }
            }
        }
        ParentLink link = header.link(names);
        if (link.names().isEmpty()) {
            throw VhdFooter.invalid("the header", "says that there is a parent and names none");
        }
        return link;
    }

    /** The bytes of a name, or null where they cannot be: other locators may tell the name. */
    static byte[] readName(BlockAccess access, ParentLocator locator, long size) {
        long at = locator.offset() / SECTOR * SECTOR;
        int length = locator.length();
        if (locator.offset() < 0
                || length <= 0
                || length > ParentLocator.LONGEST_BYTES
                || locator.offset() > size - length) {
            return null;
        }
        int skip = (int) (locator.offset() - at);
        int sectors = (skip + length + SECTOR - 1) / SECTOR;
        byte[] bytes = access.read(at, sectors * SECTOR);
        return Arrays.copyOfRange(bytes, skip, skip + length);
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
     * The bits of the batmap, one for each block; all clear when there is none, or when its
     * checksum is wrong: it was being written when its writer ended, and tells nothing.
     */
    byte[] readFull(BlockAccess access) {
        int bytes = Batmap.usedBytes(footer.currentSize(), header.blockBytes());
        if (batmap == null) {
            return new byte[bytes];
        }
        byte[] bits = access.read(batmap.offset(), bytes);
        return batmap.matches(bits) ? bits : new byte[bytes];
    }
}
