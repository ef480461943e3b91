// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.CrashMedium;
import dev.varve.sr.contract.Errors;
import dev.varve.sr.lvm.meta.GroupEdit;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.lvm.meta.LvmId;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;

/** A repository that the reference stack has made and used. */
class ReferenceGroupTest {
    private static final UUID DISK = UUID.fromString("11111111-2222-4333-8444-555555555555");
    private static final UUID SNAPSHOT = UUID.fromString("22222222-2222-4333-8444-555555555555");
    private static final UUID BASE = UUID.fromString("33333333-2222-4333-8444-555555555555");
    private static final UUID PLAIN = UUID.fromString("44444444-2222-4333-8444-555555555555");
    private static final VolumeId VHD = new VolumeId(VolumeKind.VHD, DISK);
    private static final int EXTENT = (int) LvmTestGroup.EXTENT_BYTES;

    private final CrashMedium disk = new CrashMedium("disk", 256L << 20, 512, (byte) 0xaa);

    @BeforeEach
    void makeGroup() {
        LvmTestGroup.create(disk);
        change(
                edit -> {
                    edit.create("MGT", 1, List.of());
                    edit.create("VHD-" + DISK, 3, List.of());
                    edit.create("VHD-" + SNAPSHOT, 2, List.of());
                    edit.create("LV-" + PLAIN, 2, List.of());
                    edit.create(DISK + ".cbtlog", 1, List.of("cbtlog"));
                    edit.create("OLD_" + BASE, 1, List.of());
                });
        bytes("MGT")
                .write(
                        0,
                        join(
                                ManagementFormat.header(2048 + 3 * 1024),
                                ManagementFormat.repository(
                                        Map.of(
                                                "uuid", LvmTestGroup.REPOSITORY.toString(),
                                                "allocation", "thick",
                                                "name_label", "Storage",
                                                "name_description", "from the field")),
                                ManagementFormat.slot(disk(DISK, "web", "0", "")),
                                ManagementFormat.slot(
                                        disk(SNAPSHOT, "before", "1", "20200102T03:04:05Z")),
                                ManagementFormat.slot(disk(PLAIN, "plain", "0", ""))));
    }

    private static byte[] join(byte[]... parts) {
        ByteBuffer all = ByteBuffer.allocate(2048 + 3 * 1024);
        Arrays.stream(parts).forEach(all::put);
        return all.array();
    }

    private static Map<String, String> disk(UUID uuid, String label, String snapshot, String time) {
        Map<String, String> fields = new LinkedHashMap<>();
        fields.put("name_label", label);
        fields.put("name_description", label + " &");
        fields.put("uuid", uuid.toString());
        fields.put("is_a_snapshot", snapshot);
        fields.put("snapshot_of", snapshot.equals("1") ? DISK.toString() : "");
        fields.put("snapshot_time", time);
        fields.put("type", "system");
        fields.put("vdi_type", uuid.equals(PLAIN) ? "aio" : "vhd");
        fields.put("read_only", "0");
        fields.put("managed", "1");
        fields.put("metadata_of_pool", "");
        fields.put("deleted", "0");
        return fields;
    }

    private void change(Consumer<GroupEdit> work) {
        GroupMetadata metadata = GroupMetadata.open(disk);
        GroupEdit edit = metadata.edit();
        work.accept(edit);
        metadata.commit(edit.done());
    }

    private GroupMetadata metadata() {
        return GroupMetadata.open(disk);
    }

    private VolumeBytes bytes(String name) {
        GroupMetadata metadata = metadata();
        LogicalVolume volume = metadata.group().volume(name).orElseThrow();
        return new VolumeBytes(
                disk, ExtentMap.of(volume, metadata.group().extentBytes(), metadata::offsetOf));
    }

    private LvmVolumeStore attach() {
        return LvmTestGroup.attach(disk, Runnable::run);
    }

    private ManagementVolume management() {
        return ManagementVolume.read(bytes("MGT"));
    }

    @Test
    void isAttachedAsItIs() {
        LvmVolumeStore store = attach();
        assertEquals("Storage", store.identity().label());
        assertEquals(LvmTestGroup.REPOSITORY, store.identity().uuid());
        assertTrue(store.features().contains(StoreFeature.THICK));
        assertEquals(4, store.list().size(), "what has a name of its own is left alone");
        VolumeInfo web = store.find(VHD).orElseThrow();
        assertEquals(3L * EXTENT, web.sizeBytes());
        assertEquals(Map.of("name-label", "web", "name-description", "web &"), web.attributes());
        Map<String, String> snapshot =
                store.find(new VolumeId(VolumeKind.VHD, SNAPSHOT)).orElseThrow().attributes();
        assertEquals(DISK.toString(), snapshot.get("snapshot-of"));
        assertEquals("1577934245000", snapshot.get("snapshot-time"));
        assertEquals("VHD-" + DISK, store.nameOf(VHD));
    }

    @Test
    void keepsWhatIsChangedHereForTheReferenceStack() {
        LvmVolumeStore store = attach();
        VolumeId made = new VolumeId(VolumeKind.VHD, BASE);
        store.commit(
                List.of(
                        new VolumeChange.SetAttributes(VHD, Map.of("name-label", "renamed")),
                        new VolumeChange.Delete(new VolumeId(VolumeKind.VHD, SNAPSHOT)),
                        new VolumeChange.Create(made, EXTENT, Map.of("name-label", "new")),
                        new VolumeChange.SetMarks(made, true, true)));
        store.close();
        assertEquals("renamed", management().disk(DISK).orElseThrow().get("name_label"));
        assertEquals("system", management().disk(DISK).orElseThrow().get("type"));
        assertTrue(management().disk(SNAPSHOT).isEmpty());
        Map<String, String> base = management().disk(BASE).orElseThrow();
        assertEquals("new", base.get("name_label"));
        assertEquals("0", base.get("managed"));
        assertEquals("1", base.get("read_only"));
        // The second one took the place of the snapshot.
        assertEquals(2048 + 3 * 1024, management().bytesFor(0));
        Map<String, String> attributes = attach().find(VHD).orElseThrow().attributes();
        assertEquals(Map.of("name-label", "renamed"), attributes);
    }

    @Test
    void labelsChangedThereMeanwhileCount() {
        LvmVolumeStore store = attach();
        Map<String, String> ours = Map.of("name-label", "ours", "note", "kept");
        store.commit(List.of(new VolumeChange.SetAttributes(VHD, ours)));
        store.close();
        ManagementVolume management = management();
        Map<String, String> fields = new LinkedHashMap<>(management.disk(DISK).orElseThrow());
        fields.put("name_label", "theirs");
        management.put(DISK, fields);
        disk.flush();
        LvmVolumeStore again = attach();
        Map<String, String> expected = Map.of("name-label", "theirs", "note", "kept");
        assertEquals(expected, again.find(VHD).orElseThrow().attributes());
        again.close();
        assertEquals(expected, attach().find(VHD).orElseThrow().attributes());
    }

    /** After a crash the volume of the reference stack may be behind ours. */
    @Test
    void aManagementVolumeThatACrashLeftBehindDoesNotCount() {
        LvmVolumeStore store = attach();
        byte[] old = bytes("MGT").read(0, 2048 + 3 * 1024);
        store.commit(List.of(new VolumeChange.SetAttributes(VHD, Map.of("name-label", "ours"))));
        bytes("MGT").write(0, old);
        disk.flush();
        Map<String, String> found = attach().find(VHD).orElseThrow().attributes();
        assertEquals(Map.of("name-label", "ours"), found);
        assertEquals("ours", management().disk(DISK).orElseThrow().get("name_label"));
    }

    @Test
    void placesThatCannotBeReadAreMended() {
        bytes("MGT").write(2048 + 1024, new byte[1024]);
        attach().close();
        byte[] all = bytes("MGT").read(2048, 3 * 1024);
        for (byte[] slot : ManagementFormat.slots(all)) {
            assertTrue(ManagementFormat.fields(slot).isPresent());
        }
        assertTrue(management().disk(SNAPSHOT).isPresent());
    }

    private void journal(String name, String tag, String content) {
        change(edit -> edit.create(name, 1, List.of(tag)));
        bytes(name).write(0, content.getBytes(StandardCharsets.US_ASCII));
    }

    private boolean has(String volume) {
        return metadata().group().volume(volume).isPresent();
    }

    @Test
    void mergesThatTheReferenceStackHasBegunAreForgotten() {
        journal("coalesce_" + DISK + "_1", "journaler", "");
        journal("relink_" + DISK + "_1", "journaler", "");
        assertTrue(attach().readOnlyReason().isEmpty());
        assertEquals(6, metadata().group().volumes().size());
    }

    @Test
    void theNewEndOfAPlainDiskIsZeroed() {
        journal("zero_" + PLAIN + "_" + EXTENT, "journaler", "");
        byte[] before = bytes("LV-" + PLAIN).read(0, EXTENT);
        attach();
        assertArrayEquals(before, bytes("LV-" + PLAIN).read(0, EXTENT));
        assertArrayEquals(new byte[EXTENT], bytes("LV-" + PLAIN).read(EXTENT, EXTENT));
        assertFalse(has("zero_" + PLAIN + "_" + EXTENT));
    }

    @Test
    void aSnapshotThatHasNoChildrenYetIsUndone() {
        change(
                edit -> {
                    edit.rename("VHD-" + DISK, "VHD-" + BASE);
                    edit.setWritable("VHD-" + BASE, false);
                });
        bytes("VHD-" + BASE).write(0, new byte[512]);
        UUID second = UUID.fromString("55555555-2222-4333-8444-555555555555");
        String value = BASE + "_" + DISK;
        journal("clone_" + second, "journaler", value.length() + " " + value);
        LvmVolumeStore store = attach();
        assertTrue(store.readOnlyReason().isEmpty());
        assertFalse(store.find(VHD).orElseThrow().readOnly());
        assertFalse(has("VHD-" + BASE) || has("clone_" + second));
    }

    private static final UUID SECOND = UUID.fromString("55555555-2222-4333-8444-555555555555");

    /** A snapshot under way: the disk is the base copy, with these children. */
    private void snapshotUnderWay(int hidden, UUID... children) {
        change(edit -> edit.rename("VHD-" + DISK, "VHD-" + BASE));
        for (UUID child : children) {
            change(edit -> edit.create("VHD-" + child, 2, List.of()));
        }
        bytes("VHD-" + BASE).write(0, new byte[512]);
        bytes("VHD-" + BASE).write(85, new byte[] {(byte) hidden});
        String value = BASE + "_" + DISK;
        journal("clone_" + SECOND, "journaler", value.length() + " " + value);
    }

    private void isUndoneWith(UUID child) {
        LvmId disk = metadata().group().volume("VHD-" + DISK).orElseThrow().id();
        snapshotUnderWay(0, child);
        assertTrue(attach().readOnlyReason().isEmpty());
        assertEquals(disk, metadata().group().volume("VHD-" + DISK).orElseThrow().id());
        assertFalse(has("VHD-" + BASE) || has("VHD-" + SECOND) || has("clone_" + SECOND));
    }

    @Test
    void aSnapshotWithTheFirstChildOnlyIsUndone() {
        isUndoneWith(DISK);
    }

    @Test
    void aSnapshotWithTheSecondChildOnlyIsUndone() {
        isUndoneWith(SECOND);
    }

    private void isLeftAlone(int hidden, UUID... children) {
        snapshotUnderWay(hidden, children);
        assertTrue(attach().readOnlyReason().orElseThrow().contains("clone_" + SECOND));
        assertTrue(has("VHD-" + BASE) && has("clone_" + SECOND));
        for (UUID child : children) {
            assertTrue(has("VHD-" + child));
        }
    }

    @Test
    void aSnapshotWithBothChildrenIsLeftAlone() {
        isLeftAlone(0, DISK, SECOND);
    }

    /** Its children were complete once, and may have been written since. */
    @Test
    void aSnapshotWithAHiddenBaseCopyIsLeftAlone() {
        isLeftAlone(1, DISK);
    }

    @Test
    void whatCannotBeEndedSafelyIsNamed() {
        journal("leaf_" + DISK, "journaler", "36 " + BASE);
        LvmVolumeStore store = attach();
        assertTrue(store.readOnlyReason().orElseThrow().contains("leaf_" + DISK), "named");
        Errors.assertFails(
                ErrorCode.SR_NOT_WRITABLE,
                () -> store.commit(List.of(new VolumeChange.Delete(VHD))));
        assertEquals(4, store.list().size());
        assertTrue(has("leaf_" + DISK));
    }

    @Test
    void tellsWhatHindersHandingBack() {
        LvmVolumeStore store = attach();
        assertEquals(List.of(), store.handback(List.of()));
        ImageFact large = new ImageFact(VHD, 1L << 40, Optional.empty());
        HandbackFinding finding = store.handback(List.of(large)).getFirst();
        assertEquals(HandbackFinding.Kind.OVER_COMMITTED, finding.kind());
        String size = Long.toString(store.space().physicalSizeBytes());
        assertTrue(finding.sentence().contains(size), finding.sentence());
        // A disk of 2 GiB has a volume of 2060 MiB there.
        assertEquals(2060L << 20, Handback.fullBytes(2L << 30, EXTENT));
    }
}
