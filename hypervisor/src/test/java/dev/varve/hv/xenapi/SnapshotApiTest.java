// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.sr.spi.SrCapability;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;

/** Snapshots, clones, copies and reverts through the API, on trees in memory. */
final class SnapshotApiTest {
    private static final String NULL = "OpaqueRef:NULL";

    @TempDir Path home;
    private final FakeStorage storage = new FakeStorage();
    private TestDaemon daemon;
    private String sr;

    @BeforeEach
    void start() throws IOException {
        daemon = new TestDaemon(home, storage);
        sr = createSr("a");
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private String createSr(String location) {
        return (String)
                daemon.call(
                        "SR.create",
                        daemon.only("host"),
                        Map.of("location", location),
                        0L,
                        location,
                        "",
                        "fake",
                        "",
                        false,
                        Map.of());
    }

    private String createVdi(Map<String, Object> more) {
        Map<String, Object> record = new HashMap<>(more);
        record.put("SR", sr);
        record.put("virtual_size", 1L << 20);
        record.putIfAbsent("name_label", "disk");
        return (String) daemon.call("VDI.create", record);
    }

    private String createVdi() {
        return createVdi(Map.of());
    }

    private String snapshot(String vdi) {
        return (String) daemon.call("VDI.snapshot", vdi, Map.of());
    }

    private String plug(String vdi, String mode) {
        Map<String, Object> record =
                Map.of(
                        "VM",
                        daemon.only("VM"),
                        "VDI",
                        vdi,
                        "userdevice",
                        "autodetect",
                        "mode",
                        mode);
        String vbd = (String) daemon.call("VBD.create", record);
        daemon.call("VBD.plug", vbd);
        return vbd;
    }

    private Object field(String vdi, String name) {
        return daemon.record("VDI", vdi).get(name);
    }

    private String uuid(String vdi) {
        return (String) field(vdi, "uuid");
    }

    private Set<?> allowed(String className, String ref) {
        return Set.copyOf((List<?>) daemon.record(className, ref).get("allowed_operations"));
    }

    private static void fails(ErrorCode code, Executable call, String... params) {
        StorageException failure = assertThrows(StorageException.class, call);
        assertEquals(code, failure.code());
        if (params.length > 0) {
            assertEquals(List.of(params), failure.params());
        }
    }

    @Test
    void takesASnapshotOfADiskThatIsAttached() {
        Map<String, Object> written =
                Map.of(
                        "name_label",
                        "web1",
                        "name_description",
                        "the shop",
                        "type",
                        "system",
                        "other_config",
                        Map.of("k", "v"),
                        "xenstore_data",
                        Map.of("x", "y"),
                        "tags",
                        List.of("t"),
                        "sharable",
                        true);
        String vdi = createVdi(written);
        plug(vdi, "RW");
        String snapshot = snapshot(vdi);
        Map<?, ?> record = daemon.record("VDI", snapshot);
        for (String name :
                List.of(
                        "name_label",
                        "name_description",
                        "type",
                        "other_config",
                        "xenstore_data",
                        "tags")) {
            assertEquals(written.get(name), record.get(name), name);
        }
        assertEquals(false, record.get("sharable"));
        assertEquals(true, record.get("is_a_snapshot"));
        assertEquals(vdi, record.get("snapshot_of"));
        assertEquals("20270115T08:00:00Z", record.get("snapshot_time"));
        assertEquals(List.of(snapshot), field(vdi, "snapshots"));
        assertEquals(false, field(vdi, "is_a_snapshot"));
        assertEquals(List.of(), record.get("VBDs"));
        String base = (String) record.get("parent");
        assertEquals(base, field(vdi, "parent"));
        assertEquals(false, field(base, "managed"));
        assertEquals("base copy", field(base, "name_label"));
        assertEquals(Map.of("vdi_type", "vhd", "vhd-parent", uuid(base)), record.get("sm_config"));
    }

    @Test
    void countsNoInnerNodesAsAllocated() {
        String vdi = createVdi();
        snapshot(vdi);
        assertEquals(2L << 20, daemon.record("SR", sr).get("virtual_allocation"));
        assertEquals(3 * 4096L, daemon.record("SR", sr).get("physical_utilisation"));
    }

    @Test
    void clonesADisk() {
        String vdi =
                createVdi(Map.of("name_label", "web1", "tags", List.of("t"), "type", "system"));
        plug(vdi, "RW");
        String clone = (String) daemon.call("VDI.clone", vdi);
        Map<?, ?> record = daemon.record("VDI", clone);
        assertEquals("web1", record.get("name_label"));
        assertEquals(List.of("t"), record.get("tags"));
        assertEquals("system", record.get("type"));
        assertEquals(false, record.get("is_a_snapshot"));
        assertEquals(NULL, record.get("snapshot_of"));
        assertEquals("19700101T00:00:00Z", record.get("snapshot_time"));
        assertEquals(field(vdi, "parent"), record.get("parent"));
        assertEquals(List.of(), field(vdi, "snapshots"));
    }

    @Test
    void takesSnapshotsOfAGroupInTheOrderInWhichItIsGiven() {
        String one = createVdi(Map.of("name_label", "one"));
        String two = createVdi(Map.of("name_label", "two"));
        for (List<String> group : List.of(List.of(one, two), List.of(two, one, two))) {
            List<?> snapshots = (List<?>) daemon.call("VDI.snapshot_group", group, Map.of());
            assertEquals(
                    group.stream().distinct().toList(),
                    snapshots.stream().map(taken -> field((String) taken, "snapshot_of")).toList());
            assertEquals(
                    1,
                    snapshots.stream()
                            .map(taken -> field((String) taken, "snapshot_time"))
                            .distinct()
                            .count());
        }
    }

    @Test
    void takesNoSnapshotOfAGroupWhenOneDiskIsBusyOrCannotHaveAny() {
        String one = createVdi();
        String two = createVdi();
        String raw = createVdi(Map.of("sm_config", Map.of("type", "raw")));
        int known = storage.medium("a").disks.size();
        fails(
                ErrorCode.SR_NOT_IMPLEMENTED,
                () -> daemon.call("VDI.snapshot_group", List.of(one, raw)));
        storage.medium("a").beforeFork =
                () -> {
                    storage.medium("a").beforeFork = () -> {};
                    fails(
                            ErrorCode.OTHER_OPERATION_IN_PROGRESS,
                            () -> daemon.call("VDI.snapshot_group", List.of(two, one)),
                            "VDI",
                            one);
                    assertEquals(Map.of(), field(two, "current_operations"));
                    throw ErrorCode.SR_NO_SPACE.because("it is full");
                };
        fails(ErrorCode.SR_NO_SPACE, () -> daemon.call("VDI.snapshot_group", List.of(one)));
        assertEquals(known, storage.medium("a").disks.size());
        assertEquals(known, ((List<?>) daemon.call("VDI.get_all")).size());
        assertEquals(Map.of(), field(one, "current_operations"));
        assertEquals(Map.of(), daemon.record("SR", sr).get("current_operations"));
        daemon.call("VDI.snapshot_group", List.of(one, two));
    }

    @Test
    void takesSnapshotsOfAGroupInOneRepositoryOnly() {
        String here = createVdi();
        sr = createSr("b");
        String there = createVdi();
        fails(
                ErrorCode.VALUE_NOT_SUPPORTED,
                () -> daemon.call("VDI.snapshot_group", List.of(here, there)),
                "vdis",
                there,
                "the disks of a group must be in one repository");
        fails(
                ErrorCode.INVALID_VALUE,
                () -> daemon.call("VDI.snapshot_group", List.of()),
                "vdis",
                "");
        fails(
                ErrorCode.HANDLE_INVALID,
                () -> daemon.call("VDI.snapshot_group", List.of(here, "OpaqueRef:x")),
                "VDI",
                "OpaqueRef:x");
    }

    @Test
    void refusesSnapshotsAndClonesOfRawDisks() {
        String raw = createVdi(Map.of("sm_config", Map.of("type", "raw")));
        fails(ErrorCode.SR_NOT_IMPLEMENTED, () -> snapshot(raw));
        fails(ErrorCode.SR_NOT_IMPLEMENTED, () -> daemon.call("VDI.clone", raw, Map.of()));
        assertEquals(List.of(raw), daemon.call("VDI.get_all"));
    }

    @Test
    void copiesADiskThatNobodyWritesToAnyRepository() {
        String vdi =
                createVdi(
                        Map.of(
                                "name_label",
                                "web1",
                                "other_config",
                                Map.of("k", "v"),
                                "sm_config",
                                Map.of("type", "raw")));
        String elsewhere = createSr("b");
        String vbd = plug(vdi, "RW");
        fails(ErrorCode.VDI_IN_USE, () -> daemon.call("VDI.copy", vdi, sr), vdi, "copy");
        daemon.call("VBD.unplug", vbd);
        plug(vdi, "RO");
        String copy = (String) daemon.call("VDI.copy", vdi, elsewhere);
        assertEquals(elsewhere, field(copy, "SR"));
        assertEquals("web1", field(copy, "name_label"));
        assertEquals(Map.of("k", "v"), field(copy, "other_config"));
        assertEquals(Map.of("vdi_type", "aio"), field(copy, "sm_config"));
        assertEquals(false, field(copy, "is_a_snapshot"));
        VdiInfo there = storage.medium("b").disks.get(UUID.fromString(uuid(copy)));
        assertEquals(VolumeKind.RAW, there.kind());
        assertEquals(1L << 20, daemon.record("SR", elsewhere).get("virtual_allocation"));
        String second = (String) daemon.call("VDI.copy", vdi, sr, NULL, "");
        assertEquals(sr, field(second, "SR"));
        assertEquals(NULL, field(second, "parent"));
    }

    @Test
    void copiesASnapshotToADiskOfItsOwn() {
        String snapshot = snapshot(createVdi());
        String copy = (String) daemon.call("VDI.copy", snapshot, sr);
        assertEquals(false, field(copy, "is_a_snapshot"));
        assertEquals(NULL, field(copy, "snapshot_of"));
        assertEquals(NULL, field(copy, "parent"));
    }

    @Test
    void refusesCopiesThatAreNotThereYetAndToRepositoriesThatAreAway() {
        String vdi = createVdi();
        fails(
                ErrorCode.VALUE_NOT_SUPPORTED,
                () -> daemon.call("VDI.copy", vdi, sr, vdi),
                "base_vdi",
                vdi,
                "copies of the difference to a disk are not there yet");
        fails(
                ErrorCode.VALUE_NOT_SUPPORTED,
                () -> daemon.call("VDI.copy", vdi, sr, NULL, vdi),
                "into_vdi",
                vdi,
                "copies into a disk are not there yet");
        String elsewhere = createSr("b");
        for (Object pbd : (List<?>) daemon.record("SR", elsewhere).get("PBDs")) {
            daemon.call("PBD.unplug", pbd);
        }
        fails(ErrorCode.SR_NOT_ATTACHED, () -> daemon.call("VDI.copy", vdi, elsewhere), elsewhere);
        fails(ErrorCode.HANDLE_INVALID, () -> daemon.call("VDI.copy", vdi, "x"), "SR", "x");
    }

    @Test
    void revertsADiskToASnapshotAndRemovesTheRowsOfWhatIsGone() {
        String vdi = createVdi();
        String first = snapshot(vdi);
        daemon.call("VDI.resize", vdi, 2L << 20);
        String second = snapshot(vdi);
        String between = (String) field(second, "parent");
        daemon.call("VDI.destroy", second);
        assertEquals(between, field(vdi, "parent"));
        daemon.call("VDI.set_name_label", vdi, "renamed");
        daemon.call("VDI.revert", vdi, first);
        assertEquals("renamed", field(vdi, "name_label"));
        assertEquals(1L << 20, field(vdi, "virtual_size"));
        assertEquals(field(first, "parent"), field(vdi, "parent"));
        assertEquals(List.of(first), field(vdi, "snapshots"));
        fails(ErrorCode.HANDLE_INVALID, () -> daemon.record("VDI", between), "VDI", between);
    }

    @Test
    void revertsOnlyToASnapshotOfTheDiskItself() {
        String vdi = createVdi();
        String other = createVdi();
        String foreign = snapshot(other);
        String clone = (String) daemon.call("VDI.clone", vdi);
        for (String wrong : List.of(foreign, clone, vdi)) {
            fails(
                    ErrorCode.OPERATION_NOT_ALLOWED,
                    () -> daemon.call("VDI.revert", vdi, wrong),
                    uuid(wrong) + " is not a snapshot of " + uuid(vdi));
        }
    }

    @Test
    void revertsNeitherADiskInUseNorToASnapshotThatIsWritten() {
        String vdi = createVdi();
        String snapshot = snapshot(vdi);
        String vbd = plug(vdi, "RO");
        fails(
                ErrorCode.VDI_IN_USE,
                () -> daemon.call("VDI.revert", vdi, snapshot),
                vdi,
                "revert_to");
        daemon.call("VBD.unplug", vbd);
        String written = plug(snapshot, "RW");
        fails(
                ErrorCode.VDI_IN_USE,
                () -> daemon.call("VDI.revert", vdi, snapshot),
                snapshot,
                "revert_from");
        daemon.call("VBD.unplug", written);
        plug(snapshot, "RO");
        daemon.call("VDI.revert", vdi, snapshot);
    }

    @Test
    void refusesWhatTheDriverDoesNotDeclare() {
        String vdi = createVdi();
        String snapshot = snapshot(vdi);
        storage.capabilities.removeAll(
                Set.of(
                        SrCapability.VDI_SNAPSHOT,
                        SrCapability.VDI_CLONE,
                        SrCapability.VDI_REVERT,
                        SrCapability.VDI_CONFIG_CBT));
        fails(ErrorCode.SR_OPERATION_NOT_SUPPORTED, () -> snapshot(vdi), sr);
        fails(ErrorCode.SR_OPERATION_NOT_SUPPORTED, () -> daemon.call("VDI.enable_cbt", vdi), sr);
        fails(
                ErrorCode.SR_OPERATION_NOT_SUPPORTED,
                () -> daemon.call("VDI.snapshot_group", List.of(vdi)),
                sr);
        fails(ErrorCode.SR_OPERATION_NOT_SUPPORTED, () -> daemon.call("VDI.clone", vdi), sr);
        fails(
                ErrorCode.SR_OPERATION_NOT_SUPPORTED,
                () -> daemon.call("VDI.revert", vdi, snapshot),
                sr);
        daemon.call("VDI.copy", vdi, sr);
        storage.capabilities.remove(SrCapability.VDI_CREATE);
        fails(ErrorCode.SR_OPERATION_NOT_SUPPORTED, () -> daemon.call("VDI.copy", vdi, sr), sr);
        assertFalse(allowed("SR", sr).contains("vdi_snapshot"));
        assertTrue(allowed("VDI", vdi).contains("copy"));
        assertEquals(
                Set.of("forget", "update", "destroy", "resize", "resize_online", "copy"),
                allowed("VDI", vdi));
    }

    @Test
    void saysWhatMayBeDoneWithChangedBlocks() {
        String vdi = createVdi();
        Set<String> both = Set.of("enable_cbt", "disable_cbt");
        assertTrue(allowed("VDI", vdi).containsAll(both));
        String snapshot = snapshot(vdi);
        assertFalse(allowed("VDI", snapshot).contains("enable_cbt"));
        assertFalse(allowed("VDI", snapshot).contains("data_destroy"), "it is not tracked");
        plug(vdi, "RW");
        assertTrue(allowed("VDI", vdi).containsAll(both));
        assertTrue(allowed("SR", sr).contains("vdi_list_changed_blocks"));
        fails(
                ErrorCode.VDI_NO_CBT_METADATA,
                () -> daemon.call("VDI.data_destroy", snapshot),
                snapshot);
        fails(
                ErrorCode.VDI_NO_CBT_METADATA,
                () -> daemon.call("VDI.list_changed_blocks", snapshot, vdi),
                snapshot);
    }

    @Test
    void saysWhatMayBeDoneNow() {
        storage.capabilities.remove(SrCapability.VDI_CONFIG_CBT);
        String vdi = createVdi();
        Set<String> always = Set.of("forget", "update", "destroy", "resize");
        assertEquals(
                with(always, "resize_online", "snapshot", "clone", "copy"), allowed("VDI", vdi));
        String snapshot = snapshot(vdi);
        assertEquals(
                with(always, "resize_online", "snapshot", "clone", "copy", "revert_to"),
                allowed("VDI", vdi));
        assertEquals(
                with(always, "resize_online", "snapshot", "clone", "copy", "revert_from"),
                allowed("VDI", snapshot));
        String vbd = plug(vdi, "RW");
        assertEquals(Set.of("update", "resize_online", "snapshot", "clone"), allowed("VDI", vdi));
        daemon.call("VBD.unplug", vbd);
        plug(vdi, "RO");
        assertEquals(
                Set.of("update", "resize_online", "snapshot", "clone", "copy"),
                allowed("VDI", vdi));
        assertEquals(Set.of("forget"), allowed("VDI", (String) field(vdi, "parent")));
        assertTrue(
                allowed("SR", sr)
                        .containsAll(
                                Set.of("vdi_snapshot", "vdi_clone", "vdi_copy", "vdi_revert")));
    }

    private static Set<String> with(Set<String> some, String... more) {
        Set<String> all = new java.util.HashSet<>(some);
        all.addAll(List.of(more));
        return all;
    }

    @Test
    void holdsADiskWhileItIsDivided() {
        String vdi = createVdi();
        storage.medium("a").beforeFork =
                () -> {
                    assertEquals(List.of("snapshot"), operations("VDI", vdi));
                    assertEquals(List.of("vdi_snapshot"), operations("SR", sr));
                    fails(
                            ErrorCode.OTHER_OPERATION_IN_PROGRESS,
                            () -> daemon.call("VDI.destroy", vdi),
                            "VDI",
                            vdi);
                    assertEquals(Set.of(), allowed("VDI", vdi));
                    String task = daemon.only("task");
                    assertEquals("VDI.snapshot", daemon.record("task", task).get("name_label"));
                    daemon.call("task.cancel", task);
                };
        fails(ErrorCode.TASK_CANCELLED, () -> snapshot(vdi));
        assertEquals(List.of(vdi), daemon.call("VDI.get_all"));
    }

    private List<?> operations(String className, String ref) {
        Map<?, ?> running = (Map<?, ?>) daemon.record(className, ref).get("current_operations");
        return List.copyOf(running.values());
    }

    @Test
    void leavesInnerNodesAlone() {
        String vdi = createVdi();
        String snapshot = snapshot(vdi);
        String base = (String) field(vdi, "parent");
        fails(ErrorCode.VDI_NOT_MANAGED, () -> daemon.call("VDI.destroy", base), base);
        fails(ErrorCode.VDI_NOT_MANAGED, () -> snapshot(base), base);
        fails(ErrorCode.VDI_NOT_MANAGED, () -> daemon.call("VDI.clone", base), base);
        fails(ErrorCode.VDI_NOT_MANAGED, () -> daemon.call("VDI.copy", base, sr), base);
        fails(ErrorCode.VDI_NOT_MANAGED, () -> daemon.call("VDI.revert", vdi, base), base);
        daemon.call("VDI.destroy", vdi);
        assertEquals(NULL, field(base, "parent"));
        assertEquals(vdi, field(snapshot, "snapshot_of"));
        daemon.call("VDI.destroy", snapshot);
        assertEquals(List.of(), daemon.call("VDI.get_all"));
        assertEquals(Map.of(), storage.medium("a").disks);
    }

    @Test
    void removesTheConnectionsOfADiskWithIt() {
        String vdi = createVdi();
        String snapshot = snapshot(vdi);
        daemon.call("VBD.unplug", plug(snapshot, "RO"));
        daemon.call("VDI.destroy", snapshot);
        assertEquals(List.of(), daemon.call("VBD.get_all"));
    }

    /** Rows are a cache: all that makes a tree comes back from storage. */
    @Test
    void findsSnapshotsAndTheirTreeAgainByAScan() {
        String vdi = createVdi();
        snapshot(vdi);
        snapshot(vdi);
        daemon.call("VDI.clone", vdi);
        Map<?, ?> before = trees();
        String srUuid = (String) daemon.record("SR", sr).get("uuid");
        daemon.call("PBD.unplug", daemon.only("PBD"));
        daemon.call("SR.forget", sr);
        assertEquals(List.of(), daemon.call("VDI.get_all"));
        daemon.call("SR.introduce", srUuid, "again", "", "fake", "", false);
        Map<String, Object> record =
                Map.of(
                        "host", daemon.only("host"),
                        "SR", sr,
                        "device_config", Map.of("location", "a"));
        daemon.call("PBD.plug", daemon.call("PBD.create", record));
        assertEquals(before, trees());
        assertEquals(7, before.size());
    }

    private Map<?, ?> trees() {
        List<String> names =
                List.of(
                        "name_label",
                        "is_a_snapshot",
                        "snapshot_of",
                        "snapshot_time",
                        "snapshots",
                        "parent",
                        "managed",
                        "sm_config");
        Map<?, ?> records = (Map<?, ?>) daemon.call("VDI.get_all_records");
        return records.entrySet().stream()
                .collect(
                        Collectors.toMap(
                                Map.Entry::getKey,
                                entry ->
                                        names.stream()
                                                .map(
                                                        name ->
                                                                ((Map<?, ?>) entry.getValue())
                                                                        .get(name))
                                                .toList()));
    }

    /** A scan also takes back what is not so any more. */
    @Test
    void forgetsByAScanThatADiskWasASnapshot() {
        String snapshot = snapshot(createVdi());
        UUID uuid = UUID.fromString(uuid(snapshot));
        VdiInfo was = storage.medium("a").disks.get(uuid);
        storage.medium("a")
                .disks
                .put(
                        uuid,
                        new VdiInfo(
                                uuid,
                                was.kind(),
                                was.virtualSizeBytes(),
                                was.physicalUtilisationBytes(),
                                was.readOnly(),
                                true,
                                was.label(),
                                was.description(),
                                java.util.Optional.empty(),
                                java.util.Optional.empty(),
                                Map.of("vdi_type", "vhd"),
                                false,
                                was.state()));
        daemon.call("VDI.update", snapshot);
        assertEquals(false, field(snapshot, "is_a_snapshot"));
        assertEquals(NULL, field(snapshot, "snapshot_of"));
        assertEquals("19700101T00:00:00Z", field(snapshot, "snapshot_time"));
        assertEquals(NULL, field(snapshot, "parent"));
        assertEquals(Map.of("vdi_type", "vhd"), field(snapshot, "sm_config"));
    }

    /**
     * <pre>
     * caller A   SR.scan: sees the tree ------------------------- writes what still holds
     * caller B            snapshot of one disk, revert of another
     * </pre>
     */
    @Test
    void keepsWhatChangedWhileAScanWasUnderWay() {
        String vdi = createVdi();
        String first = snapshot(vdi);
        String second = snapshot(vdi);
        String between = (String) field(second, "parent");
        daemon.call("VDI.destroy", second);
        String other = createVdi();
        storage.medium("a").afterList =
                () -> {
                    storage.medium("a").afterList = () -> {};
                    snapshot(other);
                    daemon.call("VDI.revert", vdi, first);
                };
        daemon.call("SR.scan", sr);
        fails(ErrorCode.HANDLE_INVALID, () -> daemon.record("VDI", between), "VDI", between);
        assertEquals(field(first, "parent"), field(vdi, "parent"));
        String base = (String) field(other, "parent");
        assertEquals(false, field(base, "managed"));
        assertEquals(1, ((List<?>) field(other, "snapshots")).size());
        assertEquals(
                storage.medium("a").disks.size(), ((List<?>) daemon.call("VDI.get_all")).size());
    }

    /**
     * <pre>
     * caller A   VDI.snapshot: an inner node is there ------- fails, and takes the node away
     * caller B                      SR.scan sees the node
     * </pre>
     */
    @Test
    void writesNoInnerNodeDownThatAnOperationMayYetTakeAway() {
        String vdi = createVdi();
        storage.medium("a").beforeFork =
                () -> {
                    UUID half = storage.plantInnerNode("a");
                    daemon.call("SR.scan", sr);
                    assertEquals(List.of(vdi), daemon.call("VDI.get_all"));
                    storage.medium("a").disks.remove(half);
                    throw ErrorCode.SR_NO_SPACE.because("it is full");
                };
        fails(ErrorCode.SR_NO_SPACE, () -> snapshot(vdi));
        assertEquals(List.of(vdi), daemon.call("VDI.get_all"));
        storage.plantInnerNode("a");
        daemon.call("SR.scan", sr);
        assertEquals(2, ((List<?>) daemon.call("VDI.get_all")).size());
    }

    /**
     * <pre>
     * caller A   VDI.destroy: the node below is still there ------- writes the node down
     * caller B                        destroys the other disk on it, and the node with it
     * </pre>
     */
    @Test
    void doesNotBringBackANodeThatAnotherOperationHasRemovedMeanwhile() {
        String vdi = createVdi();
        String snapshot = snapshot(vdi);
        storage.medium("a").afterDestroy =
                () -> {
                    storage.medium("a").afterDestroy = () -> {};
                    daemon.call("VDI.destroy", vdi);
                };
        daemon.call("VDI.destroy", snapshot);
        assertEquals(Map.of(), storage.medium("a").disks);
        assertEquals(List.of(), daemon.call("VDI.get_all"));
    }
}
