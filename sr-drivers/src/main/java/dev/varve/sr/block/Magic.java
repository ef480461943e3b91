// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.block;

import dev.varve.sr.host.Signature;

import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Bytes at a fixed place by which content is recognised.
 *
 * <p>The places are those that the formats themselves define; {@code blkid} is the judge of the
 * names. {@link #TABLE} is the table: type, offset in bytes, the bytes as ISO 8859-1, and where
 * UUID and label lie from the start of the device, or -1.
 *
 * @param uuid where 16 bytes of a UUID lie, or -1
 * @param label where the label lies, or -1
 * @param labelBytes how long the label may be
 */
record Magic(String type, long offset, String bytes, int uuid, int label, int labelBytes) {
    /** All that is recognised without a rule of its own. */
    static final List<Magic> TABLE =
            List.of(
                    // File systems.
                    new Magic("xfs", 0, "XFSB", 32, 108, 12),
                    new Magic("btrfs", 0x10040, "_BHRfS_M", 0x10020, 0x1012B, 256),
                    new Magic("vfat", 54, "FAT12   ", -1, 43, 11),
                    new Magic("vfat", 54, "FAT16   ", -1, 43, 11),
                    new Magic("vfat", 82, "FAT32   ", -1, 71, 11),
                    of("ntfs", 3, "NTFS    "),
                    of("exfat", 3, "EXFAT   "),
                    of("ReFS", 3, "\0\0\0ReFS\0"),
                    of("BitLocker", 3, "-FVE-FS-"),
                    of("hfsplus", 1024, "H+\0\4"),
                    of("hfsplus", 1024, "HX\0\5"),
                    new Magic("f2fs", 1024, "\20 \u00f5\u00f2", 1024 + 108, -1, 0),
                    of("erofs", 1024, "\u00e2\u00e1\u00f5\u00e0"),
                    of("nilfs2", 1030, "44"),
                    of("vxfs", 1024, "\u00f5\u00fc\u0001\u00a5"),
                    of("squashfs", 0, "hsqs"),
                    new Magic("jfs", 32768, "JFS1", 32768 + 136, 32768 + 152, 16),
                    of("reiserfs", 65536 + 52, "ReIsEr"),
                    new Magic("gfs2", 65536, "\1\26\31p", -1, 65536 + 96, 64),
                    of("ocfs2", 2048, "OCFSV2"),
                    of("ocfs2", 4096, "OCFSV2"),
                    of("ocfs2", 8192, "OCFSV2"),
                    new Magic("iso9660", 32769, "CD001", -1, 32768 + 40, 32),
                    of("udf", 32769, "BEA01"),
                    of("VMFS_volume_member", 0x100000, "\r\u00d0\1\u00c0"),
                    of("VMFS", 0x200000, "^\u00f1\u00ab/"),
                    // What others are built upon.
                    new Magic("crypto_LUKS", 0, "LUKS\u00ba\u00be", -1, -1, 0),
                    of("LVM1_member", 0, "HM\1\0"),
                    of("LVM1_member", 0, "HM\2\0"),
                    new Magic(
                            "bcache",
                            4096 + 24,
                            "\u00c6\u0085s\u00f6N\u001aE\u00ca"
                                    + "\u0082e\u00f5\u007fH\u00bam\u0081",
                            4096 + 40,
                            4096 + 72,
                            32),
                    new Magic(
                            "bcachefs",
                            4096 + 24,
                            "\u00c6\u0085s\u00f6f\u00ce\u0090\u00a9"
                                    + "\u00d9j`\u00cf\u0080=\u00f7\u00ef",
                            4096 + 56,
                            4096 + 72,
                            32),
                    of("ceph_bluestore", 0, "bluestore block device"),
                    of("stratis", 512 + 4, "!Stra0tis\u0086\u00ff\u0002^Arh"),
                    of("vdo", 0, "dmvdo001"),
                    of("DM_verity_hash", 0, "verity\0\0"),
                    of("DM_integrity", 0, "integrt\0"),
                    of("oracleasm", 32, "ORCLDISK"),
                    of("mac partition table", 512, "PM\0\0"),
                    // Images of disks that were copied to a device.
                    of("vhd image", 0, "conectix"),
                    of("qcow2 image", 0, "QFI\u00fb"),
                    of("vmdk image", 0, "KDMV"));

    /** File systems that begin with a boot sector, which ends like a table of partitions. */
    static final Set<String> BOOT_SECTORS = Set.of("vfat", "ntfs", "exfat", "ReFS", "BitLocker");

    private static Magic of(String type, long offset, String bytes) {
        return new Magic(type, offset, bytes, -1, -1, 0);
    }

    /**
     * Whether it is there.
     *
     * @param at bytes of the device around {@link #offset()}, counted from there
     */
    Optional<Signature> find(KnownContent.Bytes at) {
        if (!at.is(0, bytes)) {
            return Optional.empty();
        }
        KnownContent.Bytes device = at.from(0);
        return Optional.of(
                new Signature(
                        type,
                        uuid < 0 ? "" : device.uuid(uuid),
                        label < 0 ? "" : device.text(label, labelBytes)));
    }
}
