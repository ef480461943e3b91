// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import dev.varve.vdi.image.ParentLink;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;

/**
 * The layout of an image that is written once from its start to its end, worked out from the blocks
 * that it is going to have.
 *
 * <table>
 * <caption>in this order</caption>
 * <tr><th>part</th><th>bytes</th></tr>
 * <tr><td>footer</td><td>512</td></tr>
 * <tr><td>header</td><td>1024</td></tr>
 * <tr><td>block allocation table</td><td>4 for each block of the disk, in whole sectors</td></tr>
 * <tr><td>header of the batmap</td><td>512</td></tr>
 * <tr><td>batmap</td><td>a bit for each block of the disk, in whole sectors</td></tr>
 * <tr><td>three names of the parent, in a differencing image</td><td>512 each</td></tr>
 * <tr><td>zeros, so that the data of every block begins at 4 KiB</td><td>0 to 3584</td></tr>
 * <tr><td>for each block that is there, in order: bitmap and data</td><td>512 + 2 MiB</td></tr>
 * <tr><td>footer</td><td>512</td></tr>
 * </table>
 *
 * Behind a block 3584 bytes keep the alignment of the next. A block that is there has all its
 * sectors that are inside the disk.
 */
public final class VhdStream {
    /** Zeros between two blocks, so that the data of each begins at 4 KiB. */
    public static final int GAP_BYTES = 4096 - 512;

    /** The bitmap of a block, in bytes. */
    public static final int BITMAP_BYTES = 512;

    private static final int ALIGNMENT = 4096;
    private static final int BLOCK_BYTES = VhdHeader.DEFAULT_BLOCK_BYTES;
    private static final int BLOCK_WITH_BITMAP = BITMAP_BYTES + BLOCK_BYTES;

    private final VhdFooter footer;
    private final VhdHeader header;
    private final Batmap batmap;
    private final List<byte[]> names;
    private final BitSet blocks;
    private final long firstBlock;

    private VhdStream(
            VhdFooter footer,
            VhdHeader header,
            Batmap batmap,
            List<byte[]> names,
            BitSet blocks,
            long firstBlock) {
        this.footer = footer;
        this.header = header;
        this.batmap = batmap;
        this.names = names;
        this.blocks = blocks;
        this.firstBlock = firstBlock;
    }

    /** The largest disk that such an image can hold, in bytes. */
    public static long maximumBytes() {
        return VhdImage.MAXIMUM_BYTES;
    }

    /** Whether the sector behind a table says that the data of the image is encrypted. */
    public static boolean isEncrypted(byte[] sector) {
        return Batmap.parse(sector) != null && Batmap.isEncrypted(sector);
    }

    /** The layout of a stream. */
    static VhdStream of(
            VhdFooter footer, int timestamp, Optional<ParentLink> parent, BitSet blocks) {
        int entries = (int) Math.max(1, (footer.currentSize() + BLOCK_BYTES - 1) / BLOCK_BYTES);
        VhdHeader plain = new VhdHeader(VhdFooter.BYTES + VhdHeader.BYTES, entries, BLOCK_BYTES);
        Batmap batmap = Batmap.initial(plain);
        List<ParentLocator> locators = new ArrayList<>();
        List<byte[]> names = new ArrayList<>();
        long end = batmap.end();
        if (parent.isPresent()) {
            end = VhdFormat.addLocators(parent.get(), end, locators, names);
        }
        VhdHeader header =
                parent.isEmpty()
                        ? plain
                        : new VhdHeader(
                                plain.tableOffset(),
                                entries,
                                BLOCK_BYTES,
                                parent.get().imageUuid(),
                                timestamp,
                                parent.get().names().getFirst(),
                                locators);
        long data = (end + BITMAP_BYTES + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        return new VhdStream(
                footer, header, batmap, names, (BitSet) blocks.clone(), data - BITMAP_BYTES);
    }

    /** How many bytes it has in all. */
    public long lengthBytes() {
        return firstBlock
                + blocks.cardinality() * (long) (BLOCK_WITH_BITMAP + GAP_BYTES)
                + VhdFooter.BYTES;
    }

    /** Everything before the first block. */
    public byte[] head() {
        byte[] head = new byte[Math.toIntExact(firstBlock)];
        ByteBuffer out = ByteBuffer.wrap(head);
        out.put(footer.encode()).put(header.encode());
        byte[] full = new byte[Batmap.usedBytes(footer.currentSize(), BLOCK_BYTES)];
        int table = (int) header.tableOffset();
        Arrays.fill(head, table, table + (int) header.tableBytes(), (byte) 0xFF);
        putTable(out, table, full);
        out.position((int) Batmap.headerOffset(header));
        out.put(batmap.encode(full)).put(full);
        for (int i = 0; i < names.size(); i++) {
            out.position((int) header.locators().get(i).offset());
            out.put(names.get(i));
        }
        return head;
    }

    private void putTable(ByteBuffer out, int from, byte[] full) {
        long at = firstBlock;
        for (int block = blocks.nextSetBit(0); block >= 0; block = blocks.nextSetBit(block + 1)) {
            out.putInt(from + 4 * block, (int) (at / VhdFooter.BYTES));
            if (sectors(block) == BLOCK_BYTES / VhdFooter.BYTES) {
                full[block >> 3] |= (byte) (0x80 >> (block & 7));
            }
            at += BLOCK_WITH_BITMAP + GAP_BYTES;
        }
    }

    private int sectors(int block) {
        long rest = footer.currentSize() - (long) block * BLOCK_BYTES;
        return (int) (Math.min(BLOCK_BYTES, rest) / VhdFooter.BYTES);
    }

    /** The bitmap that goes before the data of a block. */
    public byte[] bitmap(int block) {
        byte[] bits = new byte[BITMAP_BYTES];
        int sectors = sectors(block);
        Arrays.fill(bits, 0, sectors / 8, (byte) 0xFF);
        for (int i = sectors / 8 * 8; i < sectors; i++) {
            bits[i >> 3] |= (byte) (0x80 >> (i & 7));
        }
        return bits;
    }

    /** What ends the stream. */
    public byte[] footer() {
        return footer.encode();
    }
}
