// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.block;

import dev.varve.sr.host.Signature;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;

/**
 * What is on a block device, told by its bytes alone, so that nothing is written over unawares. It
 * needs no device node and no program of the host, and reads a few hundred kibibytes at both ends.
 *
 * <p>The names are those of {@code blkid}. What is recognised, besides {@link Magic}'s table:
 *
 * <table>
 * <caption>Content with rules of its own</caption>
 * <tr><th>type</th><th>where</th><th>what it is told by</th></tr>
 * <tr><td>ext2, ext3, ext4, jbd</td><td>1024 + 56</td><td>0xEF53, little-endian; revision at 76 at
 * most 1, logarithm of the block size at 24 at most 6. The feature bits at 92 and 96 tell
 * which</td></tr>
 * <tr><td>LVM2_member</td><td>one of the first four sectors of 512 bytes</td><td>{@code LABELONE},
 * and {@code LVM2 001} at 24</td></tr>
 * <tr><td>gpt partition table</td><td>the second block, of 512 or 4096 bytes, and the last
 * </td><td>{@code EFI PART}; the GUID at 56</td></tr>
 * <tr><td>dos partition table</td><td>510</td><td>0x55 0xAA where no file system has its boot
 * sector and no other table lies</td></tr>
 * <tr><td>swap, swsuspend</td><td>10 bytes before the end of the first page, of 4 to 64
 * KiB</td><td>{@code SWAPSPACE2}, {@code SWAP-SPACE}, {@code S1SUSPEND}, {@code
 * LINHIB0001}</td></tr>
 * <tr><td>linux_raid_member</td><td>0 and 4096; 8 to 12 KiB before the end, in whole 4 KiB; 64 to
 * 128 KiB before the end, in whole 64 KiB</td><td>0xA92B4EFC, little-endian, of the last in either
 * order</td></tr>
 * <tr><td>ddf_raid_member, isw_raid_member</td><td>the last sector; the last but
 * one</td><td>0xDE11DE11; {@code Intel Raid ISM Cfg Sig.}</td></tr>
 * <tr><td>drbd</td><td>60 bytes into the last 4 KiB</td><td>0x8374026B or 0x8374026D,
 * big-endian</td></tr>
 * <tr><td>zfs_member</td><td>every KiB from 128 to 256 KiB</td><td>0x00BAB10C in 64 bits, in either
 * order</td></tr>
 * </table>
 *
 * <p><b>Threads:</b> any that may wait for the device.
 */
public final class KnownContent {
    private static final int HEAD_BYTES = 264 << 10;
    private static final int TAIL_BYTES = 132 << 10;
    private static final int SECTOR_BYTES = 512;
    private static final int PAGE_BYTES = 4096;
    private static final int RAID_MAGIC = 0xA92B4EFC;
    private static final long ZFS_MAGIC = 0x00BAB10CL;
    private static final String RAID = "linux_raid_member";

    private final BlockMedium medium;
    private final long size;
    private final Bytes head;
    private final Bytes tail;
    private final List<Signature> found = new ArrayList<>();

    private KnownContent(BlockMedium medium) {
        this.medium = medium;
        this.size = medium.sizeBytes();
        this.head = Bytes.read(medium, 0, Math.min(HEAD_BYTES, size));
        long end = Math.max(0, size - TAIL_BYTES);
        this.tail = Bytes.read(medium, end, size - end);
    }

    /** Everything that is recognised on a device, in no particular order; nothing is changed. */
    public static List<Signature> of(BlockMedium medium) {
        KnownContent content = new KnownContent(medium);
        content.look();
        return List.copyOf(content.found);
    }

    private void look() {
        for (Magic magic : Magic.TABLE) {
            magic.find(at(magic.offset())).ifPresent(this::add);
        }
        ext();
        volumeGroup();
        swap();
        raids();
        zfs();
        partitions();
    }

    /** One device, one mention: many have a copy at the other end. */
    private void add(Signature signature) {
        if (!found.contains(signature)) {
            found.add(signature);
        }
    }

    private void add(String type) {
        add(new Signature(type, "", ""));
    }

    /** What lies further inside is read when it is asked for. */
    private Bytes at(long offset) {
        boolean near = offset < HEAD_BYTES - PAGE_BYTES || offset >= size;
        return near
                ? head.from(offset)
                : Bytes.read(medium, offset, Math.min(PAGE_BYTES, size - offset)).from(offset);
    }

    private void ext() {
        Bytes superblock = head.from(1024);
        boolean there =
                superblock.u16(56) == 0xEF53
                        && Integer.compareUnsigned(superblock.i32(24), 6) <= 0
                        && Integer.compareUnsigned(superblock.i32(76), 1) <= 0;
        if (there) {
            add(new Signature(extType(superblock), superblock.uuid(104), superblock.text(120, 16)));
        }
    }

    private static String extType(Bytes superblock) {
        int compatible = superblock.i32(92);
        int incompatible = superblock.i32(96);
        if ((incompatible & 0x8) != 0) {
            return "jbd";
        }
        // Extents, 64 bits, flexible groups: no older driver mounts them.
        if ((incompatible & 0x2C0) != 0) {
            return "ext4";
        }
        return (compatible & 0x4) != 0 ? "ext3" : "ext2";
    }

    private void volumeGroup() {
        for (int sector = 0; sector < 4; sector++) {
            Bytes label = head.from((long) sector * SECTOR_BYTES);
            if (label.is(0, "LABELONE") && label.is(24, "LVM2 001")) {
                add(new Signature("LVM2_member", lvmId(label.text(32, 32)), ""));
                return;
            }
        }
    }

    /** An identifier of the volume manager as its programs print it: 6-4-4-4-4-4-6. */
    private static String lvmId(String id) {
        if (id.length() != 32) {
            return id;
        }
        StringBuilder text = new StringBuilder(id);
        for (int at : new int[] {26, 22, 18, 14, 10, 6}) {
            text.insert(at, '-');
        }
        return text.toString();
    }

    private void swap() {
        for (int page = PAGE_BYTES; page <= 64 << 10; page *= 2) {
            Bytes end = head.from(page - 10);
            if (end.is(0, "SWAPSPACE2") || end.is(0, "SWAP-SPACE")) {
                add(new Signature("swap", head.uuid(1036), head.text(1052, 16)));
            } else if (end.is(0, "S1SUSPEND") || end.is(0, "LINHIB0001")) {
                add("swsuspend");
            }
        }
    }

    private void raids() {
        for (int offset : new int[] {0, PAGE_BYTES}) {
            raid(head.from(offset));
        }
        raid(tail.from((((size >> 9) - 16) & ~7L) << 9));
        Bytes old = tail.from((size & -(64L << 10)) - (64 << 10));
        if (old.i32(0) == RAID_MAGIC || Integer.reverseBytes(old.i32(0)) == RAID_MAGIC) {
            add(RAID);
        }
        if (tail.from(size - SECTOR_BYTES).i32(0) == Integer.reverseBytes(0xDE11DE11)) {
            add("ddf_raid_member");
        }
        if (tail.from(size - 2 * SECTOR_BYTES).is(0, "Intel Raid ISM Cfg Sig. ")) {
            add("isw_raid_member");
        }
        int drbd = Integer.reverseBytes(tail.from(size - PAGE_BYTES).i32(60));
        if (drbd == 0x8374026B || drbd == 0x8374026D) {
            add("drbd");
        }
    }

    private void raid(Bytes superblock) {
        if (superblock.i32(0) == RAID_MAGIC && superblock.i32(4) == 1) {
            add(new Signature(RAID, superblock.uuid(16), superblock.text(32, 32)));
        }
    }

    private void zfs() {
        for (int offset = 128 << 10; offset < 256 << 10; offset += 1 << 10) {
            long magic = head.from(offset).i64(0);
            if (magic == ZFS_MAGIC || Long.reverseBytes(magic) == ZFS_MAGIC) {
                add("zfs_member");
                return;
            }
        }
    }

    private void partitions() {
        boolean table = false;
        for (int block : new int[] {SECTOR_BYTES, PAGE_BYTES}) {
            for (Bytes place : List.of(head.from(block), tail.from(size - block))) {
                if (place.is(0, "EFI PART")) {
                    add(new Signature("gpt partition table", place.guid(56), ""));
                    table = true;
                }
            }
        }
        boolean bootable = head.u16(510) == 0xAA55;
        if (bootable && !table && found.stream().noneMatch(KnownContent::hasBootSector)) {
            add("dos partition table");
        }
    }

    private static boolean hasBootSector(Signature signature) {
        return Magic.BOOT_SECTORS.contains(signature.type());
    }

    /** Some bytes of the device; what lies outside of them reads as zero. */
    record Bytes(ByteBuffer buffer, long base, long start) {
        static Bytes read(BlockMedium medium, long offset, long length) {
            byte[] bytes = length <= 0 ? new byte[0] : medium.read(offset, (int) length);
            ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            return new Bytes(buffer, offset, offset);
        }

        /** The same bytes, counted from a place on the device. */
        Bytes from(long offset) {
            return new Bytes(buffer, base, offset);
        }

        private int position(int offset, int length) {
            long position = start - base + offset;
            boolean inside = position >= 0 && position + length <= buffer.capacity();
            return inside ? (int) position : -1;
        }

        int u16(int offset) {
            int position = position(offset, 2);
            return position < 0 ? 0 : buffer.getShort(position) & 0xFFFF;
        }

        int i32(int offset) {
            int position = position(offset, 4);
            return position < 0 ? 0 : buffer.getInt(position);
        }

        long i64(int offset) {
            int position = position(offset, 8);
            return position < 0 ? 0 : buffer.getLong(position);
        }

        byte[] bytes(int offset, int length) {
            byte[] bytes = new byte[length];
            int position = position(offset, length);
            if (position >= 0) {
                buffer.get(position, bytes);
            }
            return bytes;
        }

        boolean is(int offset, String magic) {
            byte[] expected = magic.getBytes(StandardCharsets.ISO_8859_1);
            return java.util.Arrays.equals(expected, bytes(offset, expected.length));
        }

        /** A text that ends at the first zero, without what a terminal would not show. */
        String text(int offset, int length) {
            return text(offset, length, StandardCharsets.UTF_8);
        }

        private String text(int offset, int length, Charset charset) {
            byte[] bytes = bytes(offset, length);
            int end = 0;
            while (end < length && bytes[end] != 0) {
                end++;
            }
            return new String(bytes, 0, end, charset).replaceAll("\\p{Cntrl}", " ").strip();
        }

        /** A UUID as its bytes stand; empty when all of them are zero. */
        String uuid(int offset) {
            ByteBuffer bytes = ByteBuffer.wrap(bytes(offset, 16));
            UUID uuid = new UUID(bytes.getLong(), bytes.getLong());
            return uuid.equals(new UUID(0, 0)) ? "" : uuid.toString();
        }

        /** A UUID whose first three fields are little-endian, as partition tables have them. */
        String guid(int offset) {
            ByteBuffer bytes = ByteBuffer.wrap(bytes(offset, 16)).order(ByteOrder.LITTLE_ENDIAN);
            long high =
                    ((bytes.getInt() & 0xFFFFFFFFL) << 32)
                            | ((bytes.getShort() & 0xFFFFL) << 16)
                            | (bytes.getShort() & 0xFFFFL);
            long low = bytes.order(ByteOrder.BIG_ENDIAN).getLong();
            return new UUID(high, low).toString().toLowerCase(Locale.ROOT);
        }
    }
}
