// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.disk.DiskNotes;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiState;
import dev.varve.vdi.filter.RoomWatch;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** Space of repositories and messages, through the API, on storage in memory. */
final class SpaceApiTest {
    private static final long SIZE = 1L << 30;

    @TempDir Path home;
    private final FakeStorage storage = new FakeStorage();
    private TestDaemon daemon;
    private String sr;

    @BeforeEach
    void start() throws IOException {
        daemon = new TestDaemon(home, storage);
        sr =
                (String)
                        daemon.call(
                                "SR.create",
                                daemon.only("host"),
                                Map.of("location", "a"),
                                0L,
                                "shelf",
                                "",
                                "fake",
                                "",
                                false,
                                Map.of());
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private FakeStorage.Medium medium() {
        return storage.medium("a");
    }

    private void take(double part) {
        medium().otherBytes = (long) Math.ceil(SIZE * part);
        daemon.call("SR.update", sr);
    }

    private Map<?, ?> messages() {
        return (Map<?, ?>) daemon.call("message.get_all_records");
    }

    /** The names of all messages, which are removed. */
    private List<String> news() {
        List<String> names =
                messages().values().stream()
                        .map(record -> (String) ((Map<?, ?>) record).get("name"))
                        .sorted()
                        .toList();
        daemon.call("message.destroy_many", List.copyOf(messages().keySet()));
        return names;
    }

    private Object field(String name) {
        return daemon.record("SR", sr).get(name);
    }

    private String createVdi(long size) {
        return (String)
                daemon.call(
                        "VDI.create", Map.of("SR", sr, "virtual_size", size, "name_label", "disk"));
    }

    // ---- sizes

    @Test
    void sizesAreRightWithoutAnybodyAsking() {
        String vdi = createVdi(1 << 20);
        Map<String, Object> record =
                Map.of(
                        "VM",
                        daemon.only("VM"),
                        "VDI",
                        vdi,
                        "userdevice",
                        "autodetect",
                        "mode",
                        "RW");
        daemon.call("VBD.plug", daemon.call("VBD.create", record));
        UUID uuid = UUID.fromString((String) daemon.record("VDI", vdi).get("uuid"));
        VdiInfo before = medium().disks.get(uuid);
        medium().disks.put(uuid, sized(before, 777_216));
        medium().otherBytes = 5 << 20;
        daemon.time.advance(31, TimeUnit.SECONDS);
        awaitTrue(() -> daemon.record("VDI", vdi).get("physical_utilisation").equals(777_216L));
        awaitTrue(() -> field("physical_utilisation").equals((5L << 20) + 4096));
        assertEquals(SIZE, field("physical_size"));
        assertEquals(1L << 20, field("virtual_allocation"));
    }

    /** Waits for changes of objects until something is so. */
    private void awaitTrue(BooleanSupplier condition) {
        String token = "";
        for (int changes = 0; changes < 100 && !condition.getAsBoolean(); changes++) {
            Map<?, ?> batch =
                    (Map<?, ?>)
                            daemon.call(
                                    "event.from",
                                    List.of("SR", "VDI"),
                                    token,
                                    token.isEmpty() ? 0.0 : 10.0);
            token = (String) batch.get("token");
        }
        assertTrue(condition.getAsBoolean(), "it has become so");
    }

    private static VdiInfo sized(VdiInfo info, long physicalBytes) {
        return new VdiInfo(
                info.uuid(),
                info.kind(),
                info.virtualSizeBytes(),
                physicalBytes,
                info.readOnly(),
                info.managed(),
                info.label(),
                info.description(),
                info.parent(),
                info.snapshot(),
                info.smConfig(),
                info.cbtEnabled(),
                info.state());
    }

    // ---- alarms

    @Test
    void eachLimitIsToldOnceWhenItIsPassed() {
        take(0.79);
        assertEquals(List.of(), news());
        take(0.81);
        assertEquals(List.of("SR_SPACE_80_PERCENT"), news());
        take(0.89);
        take(0.83);
        take(0.85);
        assertEquals(List.of(), news());
        take(0.91);
        assertEquals(List.of("SR_SPACE_90_PERCENT"), news());
        take(0.99);
        assertEquals(List.of("SR_SPACE_95_PERCENT"), news());
    }

    @Test
    void aLimitIsToldAgainOnlyAfterItWasWellBelow() {
        take(0.96);
        assertEquals(List.of("SR_SPACE_95_PERCENT"), news());
        take(0.91);
        take(0.96);
        assertEquals(List.of(), news());
        take(0.89);
        take(0.96);
        assertEquals(List.of("SR_SPACE_95_PERCENT"), news());
        take(0.5);
        take(0.82);
        assertEquals(List.of("SR_SPACE_80_PERCENT"), news());
    }

    @Test
    void aMessageTellsWhatAPersonNeeds() {
        take(0.91);
        Map<?, ?> message = (Map<?, ?>) messages().values().iterator().next();
        assertEquals("SR", message.get("cls"));
        assertEquals(field("uuid"), message.get("obj_uuid"));
        assertEquals(3L, message.get("priority"));
        String body = (String) message.get("body");
        assertTrue(body.contains("91 %") && body.contains("shelf"), body);
    }

    @Test
    void afterARestartNothingIsToldAgain() throws IOException {
        take(0.91);
        news();
        daemon.close();
        daemon = new TestDaemon(home, storage);
        daemon.call("SR.update", sr);
        assertEquals(List.of(), news());
        take(0.96);
        assertEquals(List.of("SR_SPACE_95_PERCENT"), news());
    }

    @Test
    void whatHappensWhenItIsFullIsChosenForEachRepository() {
        RoomWatch room = storage.rooms.get(medium());
        assertEquals(RoomWatch.WhenFull.WAIT, room.whenFull());
        daemon.call("SR.add_to_other_config", sr, "when-full", "fail");
        assertEquals(RoomWatch.WhenFull.FAIL, room.whenFull());
        daemon.call("SR.remove_from_other_config", sr, "when-full");
        daemon.call("SR.add_to_other_config", sr, "when-full", "nonsense");
        assertEquals(RoomWatch.WhenFull.WAIT, room.whenFull());
    }

    // ---- what is kept with disks

    private String uuid(String vdi) {
        return (String) daemon.record("VDI", vdi).get("uuid");
    }

    private VdiInfo stored(String vdi) {
        return medium().disks.get(UUID.fromString(uuid(vdi)));
    }

    private void store(VdiInfo info) {
        medium().disks.put(info.uuid(), info);
    }

    private static VdiInfo without(VdiInfo info) {
        return info.with(new DiskNotes(info.uuid().toString(), "", false, Optional.empty()));
    }

    @Test
    void aNameThatStorageLostIsGivenBack() {
        String vdi = createVdi(1 << 20);
        daemon.call("VDI.set_name_description", vdi, "mine");
        String snapshot = (String) daemon.call("VDI.snapshot", vdi, Map.of());
        VdiInfo before = stored(snapshot);
        store(without(stored(vdi)));
        store(without(before));
        daemon.call("SR.scan", sr);
        assertEquals("disk", daemon.record("VDI", vdi).get("name_label"));
        assertEquals("mine", daemon.record("VDI", vdi).get("name_description"));
        assertEquals("disk", stored(vdi).label());
        assertEquals("mine", stored(vdi).description());
        assertEquals(before.snapshot(), stored(snapshot).snapshot());
        assertEquals(true, daemon.record("VDI", snapshot).get("is_a_snapshot"));
        assertEquals(vdi, daemon.record("VDI", snapshot).get("snapshot_of"));
    }

    /** Storage is right where it says something. */
    @Test
    void aNameThatStorageHasIsTaken() {
        String vdi = createVdi(1 << 20);
        store(stored(vdi).with(new DiskNotes("other", "text", false, Optional.empty())));
        daemon.call("SR.scan", sr);
        assertEquals("other", daemon.record("VDI", vdi).get("name_label"));
    }

    /** Somebody renames a disk after a scan has seen it, and before that writes it down. */
    @Test
    void aScanNeverOverwritesWhatIsNewer() {
        String vdi = createVdi(1 << 20);
        String other = createVdi(1 << 20);
        medium().afterList =
                () -> {
                    medium().afterList = () -> {};
                    daemon.call("VDI.set_name_label", vdi, "newer");
                    daemon.call("VDI.destroy", other);
                };
        daemon.call("SR.scan", sr);
        assertEquals("newer", daemon.record("VDI", vdi).get("name_label"));
        assertEquals(List.of(vdi), daemon.call("VDI.get_all"));
    }

    /** Whoever changed the row knew more, also when no operation of ours was under way. */
    @Test
    void aRowThatChangedMeanwhileIsLeftAlone() {
        String vdi = createVdi(1 << 20);
        store(stored(vdi).with(new DiskNotes("seen", "", false, Optional.empty())));
        medium().afterList =
                () -> {
                    medium().afterList = () -> {};
                    daemon.daemon
                            .database()
                            .update("VDI", vdi, row -> row.with("name_label", "newer"));
                };
        daemon.call("SR.scan", sr);
        assertEquals("newer", daemon.record("VDI", vdi).get("name_label"));
        daemon.call("SR.scan", sr);
        assertEquals("seen", daemon.record("VDI", vdi).get("name_label"));
    }

    @Test
    void aSnapshotOfADiskThatIsGoneIsOneOfNothing() {
        String vdi = createVdi(1 << 20);
        String snapshot = (String) daemon.call("VDI.snapshot", vdi, Map.of());
        UUID gone = stored(vdi).uuid();
        medium().disks.remove(gone);
        daemon.call("SR.scan", sr);
        daemon.call("SR.scan", sr);
        Map<?, ?> record = daemon.record("VDI", snapshot);
        assertEquals(true, record.get("is_a_snapshot"));
        assertEquals("OpaqueRef:NULL", record.get("snapshot_of"));
    }

    @Test
    void aBadImageIsToldOfOnceAndListedWithItsReason() throws IOException {
        createVdi(1 << 20);
        String clean = daemon.xe("vdi-list").ok();
        assertTrue(!clean.contains("quarantine"), clean);
        UUID bad = storage.plant("a", new VdiState.Quarantined("its header is damaged"));
        daemon.call("SR.scan", sr);
        daemon.call("SR.scan", sr);
        Map<?, ?> message = (Map<?, ?>) messages().values().iterator().next();
        assertEquals(List.of("VDI_QUARANTINED"), news());
        assertEquals(bad.toString(), message.get("obj_uuid"));
        assertTrue(((String) message.get("body")).contains("its header is damaged"));
        String listed = daemon.xe("vdi-list").ok();
        assertTrue(listed.contains("quarantine ( RO): its header is damaged"), listed);
        assertEquals(
                "its header is damaged",
                daemon.xe("vdi-param-get", "uuid=" + bad, "param-name=quarantine").ok());
    }

    // ---- messages

    private String create(String name, String body) {
        return (String) daemon.call("message.create", name, 3L, "SR", field("uuid"), body);
    }

    @Test
    void messagesAreMadeFoundAndRemoved() {
        String old = create("OLD", "first");
        Object since = daemon.record("message", old).get("timestamp");
        daemon.time.advance(2, TimeUnit.SECONDS);
        String fresh = create("FRESH", "second");
        assertEquals(Set.of(fresh), ((Map<?, ?>) daemon.call("message.get_since", since)).keySet());
        assertEquals(
                Set.of(fresh),
                ((Map<?, ?>) daemon.call("message.get", "SR", field("uuid"), since)).keySet());
        assertEquals(
                Set.of(),
                ((Map<?, ?>) daemon.call("message.get", "VDI", field("uuid"), since)).keySet());
        assertEquals(
                daemon.record("message", fresh),
                ((Map<?, ?>) daemon.call("message.get_since", since)).get(fresh));
        daemon.call("message.destroy", old);
        assertEquals(List.of(fresh), daemon.call("message.get_all"));
        fails(ErrorCode.HANDLE_INVALID, () -> daemon.call("message.destroy", old));
        fails(
                ErrorCode.HANDLE_INVALID,
                () -> daemon.call("message.destroy_many", List.of(fresh, old)));
        assertEquals(List.of(fresh), daemon.call("message.get_all"));
    }

    @Test
    void aMessageIsAboutSomethingThatThereIs() {
        fails(
                ErrorCode.UUID_INVALID,
                () ->
                        daemon.call(
                                "message.create",
                                "X",
                                3L,
                                "VDI",
                                UUID.randomUUID().toString(),
                                ""));
        fails(
                ErrorCode.UUID_INVALID,
                () -> daemon.call("message.create", "X", 3L, "VMPP", field("uuid"), ""));
        fails(
                ErrorCode.VALUE_NOT_SUPPORTED,
                () -> daemon.call("message.create", "X", 6L, "SR", field("uuid"), ""));
    }

    @Test
    void theOldestGoWhenThereAreMany() {
        String first = create("FIRST", "");
        daemon.time.advance(2, TimeUnit.SECONDS);
        for (int i = 0; i < Messages.MOST; i++) {
            create("NEXT", "");
        }
        assertEquals(Messages.MOST, messages().size());
        assertTrue(!messages().containsKey(first), "the oldest is gone");
    }

    @Test
    void messagesComeAsEvents() {
        Map<?, ?> first = (Map<?, ?>) daemon.call("event.from", List.of("message"), "", 0.0);
        String made = create("NEWS", "");
        Map<?, ?> next =
                (Map<?, ?>) daemon.call("event.from", List.of("message"), first.get("token"), 5.0);
        Set<Object> refs = new HashSet<>();
        ((List<?>) next.get("events")).forEach(event -> refs.add(((Map<?, ?>) event).get("ref")));
        assertEquals(Set.of(made), refs);
    }

    @Test
    void theCommandLineMakesListsAndRemovesThem() throws IOException {
        String srUuid = (String) field("uuid");
        String uuid =
                daemon.xe(
                                "message-create",
                                "name=NEWS",
                                "priority=2",
                                "sr-uuid=" + srUuid,
                                "body=all is well")
                        .ok();
        String listed = daemon.xe("message-list").ok();
        assertTrue(listed.contains("uuid ( RO)         : " + uuid), listed);
        assertTrue(listed.contains("class ( RO): SR"), listed);
        assertTrue(listed.contains("obj-uuid ( RO): " + srUuid), listed);
        assertTrue(listed.contains("all is well"), listed);
        TestDaemon.Result none = daemon.xe("message-create", "name=X", "priority=2");
        assertEquals(1, none.code());
        assertTrue(none.err().contains("sr-uuid"), none.err());
        daemon.xe("message-destroy", "uuid=" + uuid).ok();
        assertEquals("", daemon.xe("message-list").ok());
    }

    private static void fails(ErrorCode code, Runnable call) {
        assertEquals(code, assertThrows(StorageException.class, call::run).code());
    }
}
