// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.TreeMap;
import java.util.UUID;

/** Makes images as other programs would, byte by byte, without using the code that opens them. */
public final class VhdImageBuilder {
    /** {@code win }, the creator in images of Hyper-V. */
    public static final int CREATOR_WIN = 0x77696E20;

    private final long sizeBytes;
    private final TreeMap<Integer, byte[]> blocks = new TreeMap<>();
    private int blockBytes = 2 << 20;
    private int tableEntries;
    private int creator = CREATOR_WIN;
    private int creatorVersion = 0x000A0000;
    private boolean headerLast;
    private boolean batmap;
    private boolean clean = true;

    public VhdImageBuilder(long sizeBytes) {
        this.sizeBytes = sizeBytes;
    }

    public VhdImageBuilder blockBytes(int bytes) {
        blockBytes = bytes;
        return this;
    }

    public VhdImageBuilder tableEntries(int entries) {
        tableEntries = entries;
        return this;
    }

    public VhdImageBuilder creator(int newCreator, int version) {
        creator = newCreator;
        creatorVersion = version;
        return this;
    }

    /** Puts the header behind the table, which the format allows. */
    public VhdImageBuilder headerLast() {
        headerLast = true;
        return this;
    }

    public VhdImageBuilder batmap() {
        batmap = true;
        creator = VhdFooter.CREATOR_TAP;
        creatorVersion = VhdFooter.CREATOR_TAP_VERSION;
        return this;
    }

    /** Leaves the footer at the end away. */
    public VhdImageBuilder unclean() {
        clean = false;
        return this;
    }

    /** A block that was written as a whole. */
    public VhdImageBuilder block(int index, byte[] data) {
        blocks.put(index, data);
        return this;
    }

    private int entries() {
        return (int) ((sizeBytes + blockBytes - 1) / blockBytes);
    }

    public int tableOffset() {
        return headerLast ? 512 : 1536;
    }

    private int tableBytes() {
        return (Math.max(tableEntries, entries()) * 4 + 511) / 512 * 512;
    }

    /** Where the header is. */
    public int headerOffset() {
        return headerLast ? 512 + tableBytes() : 512;
    }

    /** Where the header of the batmap is. */
    public int batmapOffset() {
        return tableOffset() + tableBytes();
    }

    private int bitmapBytes() {
        return (blockBytes / 4096 + 511) / 512 * 512;
    }

    public VhdFooter footer() {
        return new VhdFooter(
                2,
                headerOffset(),
                0x20000000,
                creator,
                creatorVersion,
                0x5769326B,
                sizeBytes,
                sizeBytes,
                VhdGeometry.of(sizeBytes),
                VhdFooter.Type.DYNAMIC,
                new UUID(0x1122334455667788L, 0x99AABBCCDDEEFF00L),
                false,
                false);
    }

    public byte[] build() {
        int metadata = batmapOffset();
        if (headerLast) {
            metadata += 1024;
        } else if (batmap) {
            metadata += 512 + Batmap.usedBytes(sizeBytes, blockBytes);
        }
        int size = metadata + blocks.size() * (bitmapBytes() + blockBytes) + (clean ? 512 : 0);
        byte[] image = new byte[size];
        ByteBuffer out = ByteBuffer.wrap(image);
        int table = tableOffset();
        Arrays.fill(image, table, table + tableBytes(), (byte) 0xFF);
        byte[] full = new byte[Batmap.usedBytes(sizeBytes, blockBytes)];
        int at = metadata;
        for (var entry : blocks.entrySet()) {
            out.putInt(table + 4 * entry.getKey(), at / 512);
            Arrays.fill(image, at, at + blockBytes / 4096, (byte) 0xFF);
            at += bitmapBytes();
            System.arraycopy(entry.getValue(), 0, image, at, entry.getValue().length);
            at += blockBytes;
            full[entry.getKey() / 8] |= (byte) (0x80 >> entry.getKey() % 8);
        }
        int entries = Math.max(tableEntries, entries());
        VhdHeader header = new VhdHeader(table, entries, blockBytes);
        out.put(headerOffset(), header.encode());
        if (batmap) {
            Batmap map = new Batmap(batmapOffset() + 512L, full.length / 512, 0);
            out.put(batmapOffset(), map.encode(full));
            out.put(batmapOffset() + 512, full);
        }
        out.put(0, footer().encode());
        if (clean) {
            out.put(size - 512, footer().encode());
        }
        return image;
    }

    /** Writes the checksum that a changed footer has to have. */
    public static void sealFooter(byte[] image, int at) {
        int checksum = VhdChecksum.of(image, at, at + 512, at + 64);
        ByteBuffer.wrap(image).putInt(at + 64, checksum);
    }

    /** Writes the checksum that a changed header has to have. */
    public static void sealHeader(byte[] image, int at) {
        int checksum = VhdChecksum.of(image, at, at + 1024, at + 36);
        ByteBuffer.wrap(image).putInt(at + 36, checksum);
    }
}
