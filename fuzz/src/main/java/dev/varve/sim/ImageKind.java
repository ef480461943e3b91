// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.Operation;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.vhd.VhdFooter;
import dev.varve.vdi.vhd.VhdFormat;
import dev.varve.vdi.vhd.VhdHeader;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.UUID;
import java.util.random.RandomGenerator;

/** What image a simulation begins with. */
enum ImageKind {
    /** One of our own. */
    OURS(2 << 20),
    /** Our own as a fixed disk. */
    FIXED(2 << 20),
    /** Smaller blocks at pages, with a batmap, made by a program that calls itself blktap. */
    SMALL_BLOCKS(512 << 10),
    /** Very small blocks, which are soon full. */
    TINY_BLOCKS(64 << 10),
    /**
     * Blocks one after the other from an odd sector on, without batmap, as other programs do it.
     */
    UNALIGNED(512 << 10),
    /** The same with very small blocks. */
    UNALIGNED_TINY(64 << 10);

    private static final int SECTOR = Patterns.SECTOR;
    private static final UUID ID = new UUID(0x1122_3344_5566_4778L, 0x8899_AABB_CCDD_EEFFL);
    private static final int TABLE = VhdFooter.BYTES + VhdHeader.BYTES;

    /** The size of a block in bytes. */
    final int blockBytes;

    ImageKind(int blockBytes) {
        this.blockBytes = blockBytes;
    }

    /** Whether the engine makes it. */
    boolean isOurs() {
        return this == OURS || this == FIXED;
    }

    /** Whether the disk can become larger. */
    boolean canGrow() {
        return this != FIXED;
    }

    /** Has the engine make an empty image. */
    void create(VhdFormat format, BlockAccess access, long sizeBytes, SimClock clock) {
        if (this == FIXED) {
            format.createFixed(access, ID, sizeBytes);
        } else {
            format.create(
                    access, ImageSpec.plain(ID, sizeBytes), Operation.unbounded("create", clock));
        }
    }

    /** Builds an image as another program would leave it, with some data in it. */
    SimContent build(
            RandomGenerator random,
            FaultPlan plan,
            long sizeBytes,
            Patterns patterns,
            ModelDisk model) {
        boolean aligned = this == SMALL_BLOCKS || this == TINY_BLOCKS;
        int blocks = (int) ((sizeBytes + blockBytes - 1) / blockBytes);
        int entries = blocks + random.nextInt(300);
        VhdHeader header = new VhdHeader(TABLE, entries, blockBytes);
        VhdFooter footer = footer(sizeBytes, aligned);
        int[] table = new int[entries];
        Arrays.fill(table, -1);
        SimContent content = new SimContent(1L << 30);
        long metadataEnd = TABLE + header.tableBytes();
        if (aligned) {
            metadataEnd += SECTOR + batmapBytes(entries);
        }
        long next = metadataEnd / SECTOR + (aligned ? 0 : random.nextInt(8));
        int bitmapSectors = header.bitmapBytes() / SECTOR;
        for (int i = random.nextInt(6); i > 0; i--) {
            int block = random.nextInt(blocks);
            if (table[block] < 0 && (block + 1L) * blockBytes <= sizeBytes) {
                if (aligned) {
                    next = (next + bitmapSectors + 7) / 8 * 8 - bitmapSectors;
                }
                table[block] = (int) next;
                fill(content, next, bitmapSectors, block, random, patterns, model);
                next += bitmapSectors + blockBytes / SECTOR;
            }
        }
        writeMetadata(content, header, footer, table, aligned);
        content.resize(roundUp((next + 1) * SECTOR, plan.growthStepBytes()));
        content.write(content.sizeBytes() - SECTOR, footer.encode(), 0, SECTOR);
        return content;
    }

    private static VhdFooter footer(long sizeBytes, boolean tap) {
        return new VhdFooter(
                2,
                VhdFooter.BYTES,
                0x2000_0000,
                tap ? VhdFooter.CREATOR_TAP : 0x7669_7274,
                tap ? VhdFooter.CREATOR_TAP_VERSION : 0x0006_0000,
                0,
                sizeBytes,
                sizeBytes,
                0x0200_0411,
                VhdFooter.Type.DYNAMIC,
                ID,
                false,
                false);
    }

    private static int batmapBytes(int entries) {
        return (entries / 8 + SECTOR) / SECTOR * SECTOR;
    }

    private static void writeMetadata(
            SimContent content, VhdHeader header, VhdFooter footer, int[] table, boolean batmap) {
        content.write(0, footer.encode(), 0, VhdFooter.BYTES);
        content.write(VhdFooter.BYTES, header.encode(), 0, VhdHeader.BYTES);
        byte[] bytes = new byte[(int) header.tableBytes()];
        Arrays.fill(bytes, (byte) 0xFF);
        ByteBuffer.wrap(bytes).asIntBuffer().put(table);
        content.write(TABLE, bytes, 0, bytes.length);
        if (batmap) {
            long at = TABLE + header.tableBytes();
            byte[] sector = new byte[SECTOR];
            ByteBuffer out = ByteBuffer.wrap(sector);
            out.putLong(0x7464_6261_746D_6170L).putLong(at + SECTOR);
            out.putInt(batmapBytes(table.length) / SECTOR).putInt(0x0001_0002).putInt(~0);
            content.write(at, sector, 0, SECTOR);
        }
    }

    /** Data in some runs of a block, zeros in between. */
    private void fill(
            SimContent content,
            long place,
            int bitmapSectors,
            int block,
            RandomGenerator random,
            Patterns patterns,
            ModelDisk model) {
        int sectors = blockBytes / SECTOR;
        byte[] bits = new byte[bitmapSectors * SECTOR];
        int stamp = patterns.stamp();
        byte[] data = new byte[SECTOR];
        MemorySegment memory = MemorySegment.ofArray(data);
        boolean all = random.nextInt(3) == 0;
        for (int i = 0; i < sectors; i++) {
            if (all || (i / 16 * 0x9E37 & 0x400) != 0) {
                int sector = block * sectors + i;
                bits[i >> 3] |= (byte) (0x80 >> (i & 7));
                patterns.fill(memory, 0, stamp, sector, 1);
                content.write((place + bitmapSectors + i) * SECTOR, data, 0, SECTOR);
                model.decide(sector, stamp);
            }
        }
        content.write(place * SECTOR, bits, 0, bits.length);
    }

    private static long roundUp(long value, long unit) {
        return (value + unit - 1) / unit * unit;
    }
}
