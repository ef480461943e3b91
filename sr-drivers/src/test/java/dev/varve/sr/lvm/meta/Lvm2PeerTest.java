// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.block.FileMedium;
import dev.varve.sr.host.LoopDevice;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The programs of lvm2 and this package change one group in turn, on a loop device. */
@Tag("real")
class Lvm2PeerTest {
    private static final String GROUP = "VG_XenStorage-0dd2a8a5-7b39-4f2c-8d41-6c1d7a0e2f11";
    private static final long DEVICE_BYTES = 200 << 20;

    @TempDir Path directory;

    @BeforeAll
    static void needs() {
        LvmTools.assumePossible();
    }

    private static FileMedium medium(LoopDevice device) {
        return FileMedium.open(device.node(), 512, true);
    }

    private static GroupMetadata create(BlockMedium medium) {
        return GroupMetadata.create(
                medium,
                GROUP,
                RandomSource.secure(),
                Clock.system(),
                GroupMetadata.DEFAULT_METADATA_BYTES,
                GroupMetadata.DEFAULT_EXTENT_BYTES,
                List.of("xs-sr", "pool:a=b"));
    }

    @Test
    void lvm2AcceptsAGroupThatIsMadeHereAndChangesIt() throws IOException {
        try (LoopDevice device = LoopDevice.make(directory.resolve("pv"), DEVICE_BYTES);
                FileMedium medium = medium(device)) {
            LvmTools lvm = new LvmTools(directory.resolve("lvm"), device);
            GroupMetadata metadata = create(medium);
            GroupEdit edit = metadata.edit();
            edit.create("MGT", 1, List.of());
            edit.create("VHD-a", 10, List.of("hidden", "vhd"));
            edit.create("VHD-b", 5, List.of());
            edit.extend("VHD-a", 7);
            edit.setWritable("VHD-b", false);
            metadata.commit(edit.done());

            acceptsIt(lvm, device, metadata.group());
            changesIt(lvm, device);
            assertEquals(List.of("xs-sr", "more"), metadata.reread().tags());
            VolumeGroup read = metadata.group();
            assertEquals(
                    List.of("MGT", "VHD-e", "VHD-b", "X"), List.copyOf(read.volumes().keySet()));
            assertEquals(20, read.volume("VHD-e").orElseThrow().extents());
            assertEquals(List.of("vhd", "seen"), read.volume("VHD-e").orElseThrow().tags());
            assertEquals(3, read.volume("VHD-b").orElseThrow().extents());
            assertTrue(read.volume("VHD-b").orElseThrow().isWritable());

            changesItBack(metadata);
            acceptsIt(lvm, device, metadata.group());
        }
    }

    private void changesIt(LvmTools lvm, LoopDevice device) {
        lvm.run("lvextend", "-l", "20", GROUP + "/VHD-a");
        lvm.run("lvchange", "-prw", GROUP + "/VHD-b");
        lvm.run("lvreduce", "-f", "-l", "3", GROUP + "/VHD-b");
        lvm.run("lvrename", GROUP, "VHD-a", "VHD-e");
        lvm.run("lvchange", "--deltag", "hidden", "--addtag", "seen", GROUP + "/VHD-e");
        lvm.run("vgchange", "--deltag", "pool:a=b", "--addtag", "more", GROUP);
        lvm.run("lvcreate", "-an", "-y", "-n", "X", "-l", "2", GROUP, device.node() + ":40-41");
    }

    private static void changesItBack(GroupMetadata metadata) {
        GroupEdit edit = metadata.edit();
        edit.reduce("VHD-e", 2);
        edit.remove("MGT");
        edit.rename("X", "VHD-x");
        edit.extend("VHD-x", 6);
        edit.create("all", edit.freeExtents(), List.of("rest"));
        metadata.commit(edit.done());
    }

    /** Every program that reads a group is content with this one, and sees what it is. */
    private void acceptsIt(LvmTools lvm, LoopDevice device, VolumeGroup group) throws IOException {
        lvm.run("vgck", GROUP);
        assertEquals(
                "%s %d %d %d %s"
                        .formatted(
                                group.id(),
                                group.sequence(),
                                group.extents(),
                                group.freeExtents(),
                                String.join(",", group.tags().stream().sorted().toList())),
                fields(
                        lvm.run(
                                "vgs",
                                "--noheadings",
                                "-o",
                                "vg_uuid,vg_seqno,vg_extent_count,vg_free_count,vg_tags")));
        String expected =
                group.volumes().values().stream()
                        .flatMap(
                                volume ->
                                        volume.segments().stream()
                                                .map(segment -> line(device, volume, segment)))
                        .sorted()
                        .reduce("", String::concat);
        String segments =
                lvm.run(
                        "lvs",
                        "--segments",
                        "--noheadings",
                        "-o",
                        "lv_name,lv_uuid,lv_attr,seg_start_pe,seg_size_pe,seg_pe_ranges",
                        "--units",
                        "b");
        assertEquals(
                expected,
                segments.lines()
                        .map(Lvm2PeerTest::permission)
                        .sorted()
                        .reduce("", (a, b) -> a + b + "\n"));
        lvm.run("pvs", "--segments");
        String dumped = lvm.dump("metadata", device.node().toString());
        assertTrue(dumped.contains("seqno " + group.sequence()), dumped);
        assertFalse(lvm.dump("headers", device.node().toString()).contains("ERROR"));
        Path backup = directory.resolve("backup");
        lvm.run("vgcfgbackup", "-f", backup.toString(), GROUP);
        assertTrue(Files.readString(backup).contains(group.id().text()));
    }

    private static String line(LoopDevice device, LogicalVolume volume, Segment segment) {
        ExtentRun run = segment.runs().getFirst();
        return "%s %s %s %d %d %s:%d-%d\n"
                .formatted(
                        volume.name(),
                        volume.id(),
                        volume.isWritable() ? "w" : "r",
                        segment.startExtent(),
                        run.count(),
                        device.node(),
                        run.start(),
                        run.end() - 1);
    }

    /** Of the attributes of a volume, only whether it can be written. */
    private static String permission(String line) {
        return fields(line).replaceAll("^(\\S+ \\S+) .(.)\\S+", "$1 $2");
    }

    private static String fields(String line) {
        return line.strip().replaceAll(" +", " ");
    }

    @Test
    void aGroupOfLvm2IsTheSameAfterItWasWrittenHere() throws IOException {
        try (LoopDevice device = LoopDevice.make(directory.resolve("pv"), DEVICE_BYTES);
                FileMedium medium = medium(device)) {
            LvmTools lvm = new LvmTools(directory.resolve("lvm"), device);
            String node = device.node().toString();
            lvm.run("pvcreate", "--metadatasize", "10M", "--metadatacopies", "2", node);
            Label made = GroupMetadata.label(medium).orElseThrow();
            assertEquals(2, made.metadataAreas().size());
            assertFalse(made.isUsed());
            StorageException none =
                    assertThrows(StorageException.class, () -> GroupMetadata.open(medium));
            assertEquals(ErrorCode.LVM_NO_VOLUME_GROUP, none.code());

            lvm.run("vgcreate", GROUP, node);
            lvm.run("lvcreate", "-an", "-y", "-n", "A", "-l", "4", GROUP);
            lvm.run("lvcreate", "-an", "-y", "-n", "B", "-l", "4", "--addtag", "b", GROUP);
            lvm.run("lvextend", "-l", "9", GROUP + "/A");
            Path before = directory.resolve("before");
            Path after = directory.resolve("after");
            lvm.run("vgcfgbackup", "-f", before.toString(), GROUP);
            GroupMetadata metadata = GroupMetadata.open(medium);
            assertEquals(2, metadata.group().volume("A").orElseThrow().segments().size());
            metadata.commit(metadata.edit().done());
            lvm.run("vgck", GROUP);
            lvm.run("vgcfgbackup", "-f", after.toString(), GROUP);
            assertEquals(group(before).replace("seqno = 4", "seqno = 5"), group(after));
            assertFalse(lvm.dump("headers", node).contains("ERROR"));
            lvm.dump("metadata", "--settings", "mda_num=2", node);
            assertEquals("2", lvm.run("vgs", "--noheadings", "-o", "vg_mda_used_count"));

            metadata.wipe();
            assertEquals("", lvm.run("pvs", "--noheadings"));
            assertTrue(GroupMetadata.label(medium).isEmpty());
        }
    }

    /** Of a backup, what it says of the group. */
    private static String group(Path backup) throws IOException {
        String text = Files.readString(backup);
        return text.substring(text.indexOf(GROUP + " {"));
    }

    @Test
    void readsAGroupOfTwoDevicesAndWritesItWhenBothAreGiven() throws IOException {
        try (LoopDevice one = LoopDevice.make(directory.resolve("one"), 64 << 20);
                LoopDevice two = LoopDevice.make(directory.resolve("two"), 64 << 20);
                FileMedium first = medium(one);
                FileMedium second = medium(two)) {
            LvmTools lvm = new LvmTools(directory.resolve("lvm"), one, two);
            lvm.run("vgcreate", GROUP, one.node().toString(), two.node().toString());
            lvm.run("lvcreate", "-an", "-y", "-n", "s", "-i", "2", "-l", "2", GROUP);
            lvm.run("lvcreate", "-an", "-y", "-n", "wide", "-l", "25", GROUP);

            GroupMetadata half = GroupMetadata.open(first);
            assertEquals(2, half.group().volume("wide").orElseThrow().segments().size());
            assertTrue(half.refusal().isPresent());
            lvm.run("lvremove", "-y", GROUP + "/s");
            half.reread();
            assertTrue(half.refusal().orElseThrow().contains("not among the given devices"));
            StorageException refused =
                    assertThrows(StorageException.class, () -> half.commit(half.edit().done()));
            assertEquals(ErrorCode.SR_NOT_WRITABLE, refused.code());

            GroupMetadata whole =
                    GroupMetadata.open(
                            List.of(second, first), Author.system(), LocalLock.DEFAULT_DIRECTORY);
            assertEquals(first, whole.medium("pv0"));
            assertEquals(second, whole.medium("pv1"));
            GroupEdit edit = whole.edit();
            edit.create("rest", edit.freeExtents(), List.of());
            whole.commit(edit.done());
            lvm.run("vgck", GROUP);
            assertEquals("0", lvm.run("vgs", "--noheadings", "-o", "vg_free_count"));
        }
    }
}
