// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.image.BlockAccess;

import java.nio.ByteBuffer;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.function.IntBinaryOperator;

/**
 * What a walk over the whole block table of an image tells: where its blocks lie, whether they can
 * all be right, and where there is room between them. Whoever only reads an image does without it.
 *
 * @param blocks how many blocks have a place
 * @param fixedEnd where the metadata before the blocks ends, names of parents included, in bytes
 * @param dataEnd where the last block ends, or what else lies behind the metadata, in bytes
 * @param aligned whether the page before each block's data belongs to that block's bitmap alone
 * @param gaps the first sectors of runs between blocks and their lengths in sectors, in turn
 * @param calledFull blocks that the batmap calls fully written and that have no place: they were
 *     given up before a crash
 */
record VhdTable(
        int blocks,
        long fixedEnd,
        long dataEnd,
        boolean aligned,
        List<long[]> gaps,
        BitSet calledFull) {
    static final int PAGE_SECTORS = 8;

    private static final int CHUNK_BYTES = 1 << 20;
    private static final int SECTOR = 512;

    /**
     * Reads the table and checks that blocks lie inside the volume, behind the metadata, and do not
     * overlap.
     *
     * @param full the bits of the batmap
     */
    static VhdTable read(BlockAccess access, VhdImage image, byte[] full) {
        VhdHeader header = image.header();
        long bitmapSectors = header.bitmapBytes() / SECTOR;
        long blockSectors = bitmapSectors + header.blockBytes() / SECTOR;
        Places places = new Places(blockSectors);
        BitSet calledFull = bits(full, header.blocks(image.footer().currentSize()));
        boolean[] aligned = {
            header.blockBytes() % (PAGE_SECTORS * SECTOR) == 0 && bitmapSectors <= PAGE_SECTORS
        };
        forEach(
                access,
                image,
                (block, entry) -> {
                    long sector = Integer.toUnsignedLong(entry);
                    checkInside(image, block, sector, blockSectors);
                    places.addBlock(sector);
                    calledFull.clear(block);
                    aligned[0] &= (sector + bitmapSectors) % PAGE_SECTORS == 0;
                    return 0;
                });
        long fixedEnd = image.metadataEnd();
        for (ParentLocator locator : header.locators()) {
            long end = locator.endBytes();
            if (locator.offset() >= image.metadataEnd() && end <= image.volumeBytes()) {
                places.add(locator.offset() / SECTOR, (end + SECTOR - 1) / SECTOR);
                fixedEnd = Math.max(fixedEnd, end);
            }
        }
        List<long[]> gaps = new ArrayList<>();
        long dataEnd = places.check(image.metadataEnd() / SECTOR, gaps) * SECTOR;
        return new VhdTable(
                places.count, fixedEnd, dataEnd, aligned[0], List.copyOf(gaps), calledFull);
    }

    private static BitSet bits(byte[] full, int blocks) {
        BitSet bits = new BitSet();
        for (int block = 0; block < blocks; block++) {
            if (full[block >> 3] == 0) {
                block |= 7; // to the next byte
            } else if ((full[block >> 3] & 0x80 >> (block & 7)) != 0) {
                bits.set(block);
            }
        }
        return bits;
    }

    private static void checkInside(VhdImage image, int block, long sector, long blockSectors) {
        if (sector * SECTOR < image.metadataEnd()
                || (sector + blockSectors) * SECTOR > image.volumeBytes()) {
            throw VhdFooter.invalid(
                    "the table",
                    "puts block %d at sector %d, outside the volume's data from %d to %d bytes"
                            .formatted(block, sector, image.metadataEnd(), image.volumeBytes()));
        }
    }

    /** Calls the action with each block that has a place and that, until it answers not zero. */
    static void forEach(BlockAccess access, VhdImage image, IntBinaryOperator action) {
        int entries = image.header().blocks(image.footer().currentSize());
        int bytes = (entries * 4 + SECTOR - 1) / SECTOR * SECTOR;
        for (int at = 0; at < bytes; at += CHUNK_BYTES) {
            int length = Math.min(CHUNK_BYTES, bytes - at);
            IntBuffer in =
                    ByteBuffer.wrap(access.read(image.header().tableOffset() + at, length))
                            .asIntBuffer();
            int from = at / 4;
            int count = Math.min(length / 4, entries - from);
            for (int i = 0; i < count; i++) {
                int entry = in.get(i);
                if (entry != VhdImage.UNUSED && action.applyAsInt(from + i, entry) != 0) {
                    return;
                }
            }
        }
    }

    /** Runs of sectors that are taken. Blocks come by the million, so they are kept as numbers. */
    private static final class Places {
        private final long blockSectors;
        private long[] starts = new long[64];
        private int count;
        private final List<long[]> others = new ArrayList<>();

        Places(long blockSectors) {
            this.blockSectors = blockSectors;
        }

        void addBlock(long sector) {
            if (count == starts.length) {
                starts = Arrays.copyOf(starts, 2 * count);
            }
            starts[count++] = sector;
        }

        void add(long from, long to) {
            others.add(new long[] {from, to});
        }

        /** Refuses overlaps, notes gaps, and returns where the last run ends. */
        long check(long from, List<long[]> gaps) {
            Arrays.sort(starts, 0, count);
            others.sort((a, b) -> Long.compare(a[0], b[0]));
            long end = from;
            int other = 0;
            for (int i = 0; i < count; i++) {
                for (; other < others.size() && others.get(other)[0] <= starts[i]; other++) {
                    end = place(others.get(other)[0], others.get(other)[1], end, gaps, false);
                }
                end = place(starts[i], starts[i] + blockSectors, end, gaps, true);
            }
            for (; other < others.size(); other++) {
                end = place(others.get(other)[0], others.get(other)[1], end, gaps, false);
            }
            return end;
        }

        /** Names of parents may share their sectors; blocks share with nobody. */
        private long place(long start, long to, long end, List<long[]> gaps, boolean block) {
            if (start < end && block) {
                throw VhdFooter.invalid(
                        "the table",
                        "puts a block at sector %d, where something else reaches to sector %d"
                                .formatted(start, end));
            }
            if (start - end >= blockSectors) {
                gaps.add(new long[] {end, start - end});
            }
            return Math.max(end, to);
        }
    }
}
