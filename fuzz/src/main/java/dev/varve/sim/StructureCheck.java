// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * Reads an image that was closed in order as the strictest reader would, and knows nothing of the
 * engine's own code: every field is where the format puts it and has the value that the format
 * wants.
 */
final class StructureCheck {
    private static final int SECTOR = 512;
    private static final long FOOTER_COOKIE = 0x636F_6E65_6374_6978L;
    private static final long HEADER_COOKIE = 0x6378_7370_6172_7365L;
    private static final long BATMAP_COOKIE = 0x7464_6261_746D_6170L;
    private static final int TAP = 0x7461_7000;

    /** Bytes with big-endian numbers in them. */
    private static final class Structure {
        final byte[] bytes;
        private final ByteBuffer buffer;

        Structure(byte[] bytes) {
            this.bytes = bytes;
            this.buffer = ByteBuffer.wrap(bytes);
        }

        int getInt(int at) {
            return buffer.getInt(at);
        }

        long getLong(int at) {
            return buffer.getLong(at);
        }
    }

    private final SimContent image;
    private final long size;

    private final boolean neverCrashed;

    /** Whether it may rest on another image, and be hidden. */
    private final boolean node;

    private StructureCheck(SimContent image, boolean neverCrashed, boolean node) {
        this.image = image;
        this.neverCrashed = neverCrashed;
        this.node = node;
        this.size = image.sizeBytes();
    }

    /**
     * Throws when something is not as it should be.
     *
     * @param neverCrashed whether the power never went off: then what was not written is zero on
     *     the medium, too. A crash may leave data behind bits that are clear; nobody was told that
     *     it was safe, and a reader that goes by the bits sees zeros.
     */
    static void check(SimContent image, boolean neverCrashed) {
        new StructureCheck(image, neverCrashed, false).run();
    }

    /** The same for an image of a tree. */
    static void checkNode(SimContent image) {
        new StructureCheck(image, false, true).run();
    }

    private void run() {
        Structure footer = at(size - SECTOR, SECTOR);
        checkFooter(footer);
        if (footer.getInt(60) == 2) {
            expect(footer.getLong(16) == -1, "a fixed disk has no header");
            expect(footer.getLong(48) <= size - SECTOR, "a fixed disk lies inside the volume");
            return;
        }
        boolean resting = node && footer.getInt(60) == 4;
        expect(resting || footer.getInt(60) == 3, "the disk is dynamic");
        expect(
                Arrays.equals(footer.bytes, at(0, SECTOR).bytes),
                "the footer at the start is that at the end");
        Structure header = at(footer.getLong(16), 1024);
        checkHeader(header, resting);
        checkBlocks(footer, header);
    }

    private void checkFooter(Structure footer) {
        expect(footer.getLong(0) == FOOTER_COOKIE, "the volume ends with a footer");
        expect(footer.getInt(8) == 2, "the footer has the feature bits 2");
        expect(footer.getInt(12) == 0x10000, "the footer is of version 1.0");
        expect(checksum(footer.bytes, 64) == footer.getInt(64), "the footer's checksum is right");
        expect(
                footer.bytes[84] == 0 && (footer.bytes[85] == 0 || (node && footer.bytes[85] == 1)),
                "the disk is neither saved nor hidden");
        expectZero(footer.bytes, 86, SECTOR, "the footer");
    }

    private void checkHeader(Structure header, boolean resting) {
        expect(header.getLong(0) == HEADER_COOKIE, "there is a header");
        expect(header.getLong(8) == -1, "the header has no next structure");
        expect(header.getInt(24) == 0x10000, "the header is of version 1.0");
        expect(checksum(header.bytes, 36) == header.getInt(36), "the header's checksum is right");
        if (!resting) {
            expectZero(header.bytes, 40, 1024, "the header of a disk without parent");
        }
    }

    private void checkBlocks(Structure footer, Structure header) {
        long tableAt = header.getLong(16);
        int entries = header.getInt(28);
        int blockBytes = header.getInt(32);
        int blocks = (int) ((footer.getLong(48) + blockBytes - 1) / blockBytes);
        long tableBytes = (entries * 4L + SECTOR - 1) / SECTOR * SECTOR;
        expect(blocks <= entries, "the table has room for the disk");
        Structure table = at(tableAt, (int) tableBytes);
        byte[] full = null;
        long metadataEnd = tableAt + tableBytes;
        if (footer.getInt(28) == TAP) {
            Structure batmap = at(metadataEnd, SECTOR);
            full = batmap(batmap, metadataEnd, blocks);
            metadataEnd = batmap.getLong(8) + (long) SECTOR * batmap.getInt(16);
        }
        int bitmapBytes = (blockBytes / SECTOR / 8 + SECTOR - 1) / SECTOR * SECTOR;
        long[] starts = new long[blocks];
        int count = 0;
        for (int i = 0; i < entries; i++) {
            long start = Integer.toUnsignedLong(table.getInt(4 * i)) * SECTOR;
            boolean used = table.getInt(4 * i) != -1;
            expect(!used || i < blocks, "entry " + i + " behind the disk's end names nothing");
            if (used) {
                expect(
                        start >= metadataEnd && start + bitmapBytes + blockBytes <= size - SECTOR,
                        "block %d at %d lies behind the metadata and before the footer"
                                .formatted(i, start));
                starts[count++] = start;
                checkBitmap(i, start, bitmapBytes, blockBytes, isSet(full, i));
            } else {
                expect(
                        i >= blocks || !isSet(full, i),
                        "block " + i + ", which is not there, is not full");
            }
        }
        Arrays.sort(starts, 0, count);
        for (int i = 1; i < count; i++) {
            expect(
                    starts[i] - starts[i - 1] >= bitmapBytes + blockBytes,
                    "the blocks at %d and %d do not overlap".formatted(starts[i - 1], starts[i]));
        }
    }

    private byte[] batmap(Structure header, long at, int blocks) {
        expect(header.getLong(0) == BATMAP_COOKIE, "there is a batmap");
        expect(header.getLong(8) >= at + SECTOR, "the batmap's bits follow its header");
        expect(header.getInt(20) == 0x10002, "the batmap is of version 1.2");
        int used = Math.max(SECTOR, ((blocks + 7) / 8 + SECTOR - 1) / SECTOR * SECTOR);
        expect(header.getInt(16) * SECTOR >= used, "the batmap has room for the disk");
        byte[] bits = at(header.getLong(8), used).bytes;
        expect(checksum(bits, used) == header.getInt(24), "the batmap's checksum is right");
        return bits;
    }

    private void checkBitmap(int block, long start, int bitmapBytes, int blockBytes, boolean full) {
        byte[] bits = at(start, bitmapBytes).bytes;
        for (int i = 0; i < blockBytes / SECTOR; i++) {
            boolean set = isSet(bits, i);
            expect(set || !full, "block " + block + " is as full as the batmap says");
            expect(
                    set
                            || !neverCrashed
                            || image.isZero(start + bitmapBytes + (long) i * SECTOR, SECTOR),
                    "sector %d of block %d, which was not written, is zero".formatted(i, block));
        }
    }

    private static boolean isSet(byte[] bits, int index) {
        return bits != null && (bits[index >> 3] & 0x80 >> (index & 7)) != 0;
    }

    private Structure at(long offset, int length) {
        expect(
                offset >= 0 && offset % SECTOR == 0 && offset + length <= size,
                "the structure at %d lies inside the volume of %d".formatted(offset, size));
        return new Structure(image.read(offset, length));
    }

    private static int checksum(byte[] bytes, int except) {
        int sum = 0;
        for (int i = 0; i < bytes.length; i++) {
            sum += i >= except && i < except + 4 ? 0 : bytes[i] & 0xFF;
        }
        return ~sum;
    }

    private static void expectZero(byte[] bytes, int from, int to, String what) {
        for (int i = from; i < to; i++) {
            expect(bytes[i] == 0, what + " is zero at " + i);
        }
    }

    private static void expect(boolean holds, String what) {
        if (!holds) {
            throw new SimulationFailure("the closed image breaks a rule: " + what);
        }
    }
}
