// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiField;
import dev.varve.hv.xenapi.schema.ApiSchema;
import dev.varve.sr.spi.SrCapability;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.disk.VdiState;
import dev.varve.vdi.time.Threads;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

final class XenApiTest {
    @TempDir Path home;
    private final FakeStorage storage = new FakeStorage();
    private TestDaemon daemon;

    @BeforeEach
    void start() throws IOException {
        daemon = new TestDaemon(home, storage);
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private String createSr() {
        return (String)
                daemon.call(
                        "SR.create",
                        daemon.only("host"),
                        Map.of("location", "a"),
                        0L,
                        "one",
                        "",
                        "fake",
                        "",
                        false,
                        Map.of());
    }

    private String createVdi(String sr) {
        return (String)
                daemon.call(
                        "VDI.create",
                        Map.of(
                                "SR",
                                sr,
                                "virtual_size",
                                1L << 20,
                                "name_label",
                                "disk",
                                "type",
                                "user",
                                "tags",
                                List.of("t")));
    }

    private String createVbd(String vdi) {
        return (String)
                daemon.call(
                        "VBD.create",
                        Map.of("VM", daemon.only("VM"), "VDI", vdi, "userdevice", "autodetect"));
    }

    private static void fails(ErrorCode code, Executable call, String... params) {
        StorageException failure = assertThrows(StorageException.class, call);
        assertEquals(code, failure.code());
        if (params.length > 0) {
            assertEquals(List.of(params), failure.params());
        }
    }

    @Test
    void givesEveryRecordOfAClassAllItsFields() {
        createVbd(createVdi(createSr()));
        daemon.call("task.create", "t", "");
        daemon.call("secret.create", Map.of("value", "s"));
        Object host = daemon.record("host", daemon.only("host")).get("uuid");
        daemon.call("message.create", "NEWS", 5L, "Host", host, "all is well");
        for (ApiClass type : ApiSchema.XENAPI.classes()) {
            if (type.is(ApiClass.Trait.UNLISTED)) {
                continue;
            }
            var expected =
                    type.fields().stream()
                            .filter(ApiField::visible)
                            .map(ApiField::name)
                            .collect(Collectors.toSet());
            Map<?, ?> records = (Map<?, ?>) daemon.call(type + ".get_all_records");
            assertFalse(records.isEmpty(), type + " has no object");
            for (Object record : records.values()) {
                Map<?, ?> fields = (Map<?, ?>) record;
                assertEquals(expected, fields.keySet(), type.name());
                for (ApiField field : type.fields()) {
                    if (field.visible()) {
                        assertTrue(
                                field.type().accepts(fields.get(field.name())),
                                type + "." + field.name() + " = " + fields.get(field.name()));
                    }
                }
            }
        }
    }

    @Test
    void countsTheSessionAmongTheParameters() {
        fails(
                ErrorCode.MESSAGE_PARAMETER_COUNT_MISMATCH,
                () -> daemon.call("SR.scan"),
                "SR.scan",
                "2",
                "1");
        fails(ErrorCode.MESSAGE_METHOD_UNKNOWN, () -> daemon.call("SR.fly"), "SR.fly");
        fails(ErrorCode.FIELD_TYPE_ERROR, () -> daemon.call("SR.scan", 1L), "sr");
    }

    @Test
    void refusesASessionThatHasEnded() {
        Dispatcher dispatcher = daemon.daemon.dispatcher();
        List<Object> login = List.of("root", "", "1.0", "test");
        Object session = dispatcher.call(Caller.LOCAL, "session.login_with_password", login);
        dispatcher.call(Caller.LOCAL, "session.logout", List.of(session));
        fails(
                ErrorCode.SESSION_INVALID,
                () -> dispatcher.call(Caller.LOCAL, "SR.get_all", List.of(session)),
                (String) session);
        fails(
                ErrorCode.SESSION_AUTHENTICATION_FAILED,
                () ->
                        dispatcher.call(
                                Caller.remote("a test"), "session.login_with_password", login));
    }

    @Test
    void letsSessionsExpire() {
        daemon.time.advance(Sessions.IDLE_HOURS, TimeUnit.HOURS);
        fails(ErrorCode.SESSION_INVALID, () -> daemon.call("SR.get_all"));
    }

    @Test
    void refusesWhatTheDriverDoesNotDeclare() {
        String sr = createSr();
        storage.capabilities.remove(SrCapability.VDI_CREATE);
        fails(ErrorCode.SR_OPERATION_NOT_SUPPORTED, () -> createVdi(sr), sr);
    }

    @Test
    void refusesUnknownTypesAndKeysAndLeavesNothingBehind() {
        String host = daemon.only("host");
        fails(
                ErrorCode.SR_UNKNOWN_DRIVER,
                () -> daemon.call("SR.create", host, Map.of(), 0L, "n", "", "zfs", "", false),
                "zfs");
        fails(
                ErrorCode.SR_INVALID_ARGUMENT,
                () ->
                        daemon.call(
                                "SR.create",
                                host,
                                Map.of("place", "a"),
                                0L,
                                "n",
                                "",
                                "fake",
                                "",
                                false));
        fails(
                ErrorCode.CONFIG_LOCATION_MISSING,
                () -> daemon.call("SR.create", host, Map.of(), 0L, "n", "", "fake", "", false));
        assertEquals(List.of(), daemon.call("SR.get_all"));
        assertEquals(List.of(), daemon.call("PBD.get_all"));
    }

    @Test
    void walksThroughTheLifeOfADisk() {
        String sr = createSr();
        String vdi = createVdi(sr);
        assertEquals(List.of(vdi), daemon.record("SR", sr).get("VDIs"));
        daemon.call("VDI.resize", vdi, "2097152");
        assertEquals(2L << 20, daemon.record("VDI", vdi).get("virtual_size"));
        fails(ErrorCode.VDI_TOO_SMALL, () -> daemon.call("VDI.resize", vdi, 1L), vdi, "2097152");
        daemon.call("VDI.set_name_label", vdi, "renamed");
        assertEquals("renamed", storage.medium("a").disks.values().iterator().next().label());
        String vbd = createVbd(vdi);
        daemon.call("VBD.plug", vbd);
        fails(ErrorCode.DEVICE_ALREADY_ATTACHED, () -> daemon.call("VBD.plug", vbd), vbd);
        fails(ErrorCode.VDI_IN_USE, () -> daemon.call("VDI.destroy", vdi), vdi, "destroy");
        fails(ErrorCode.VDI_IN_USE, () -> daemon.call("VDI.resize", vdi, 3L << 20), vdi, "resize");
        daemon.call("VDI.resize_online", vdi, 3L << 20);
        daemon.call("VBD.unplug", vbd);
        daemon.call("VDI.destroy", vdi);
        assertEquals(List.of(), daemon.call("VBD.get_all"));
        assertEquals(Map.of(), storage.medium("a").disks);
        assertEquals(Map.of(), storage.datapath);
    }

    @Test
    void keepsARepositoryThatIsPluggedInOrHoldsDisks() {
        String sr = createSr();
        String vdi = createVdi(sr);
        fails(ErrorCode.SR_HAS_PBD, () -> daemon.call("SR.forget", sr), sr);
        fails(ErrorCode.SR_HAS_PBD, () -> daemon.call("SR.destroy", sr), sr);
        String pbd = daemon.only("PBD");
        daemon.call("PBD.unplug", pbd);
        fails(ErrorCode.SR_NOT_EMPTY, () -> daemon.call("SR.destroy", sr), sr);
        fails(ErrorCode.SR_NOT_ATTACHED, () -> daemon.call("SR.scan", sr), sr);
        daemon.call("PBD.plug", pbd);
        daemon.call("VDI.destroy", vdi);
        daemon.call("PBD.unplug", pbd);
        daemon.call("SR.destroy", sr);
        assertEquals(List.of(), daemon.call("SR.get_all"));
        assertEquals(null, storage.medium("a").identity);
    }

    @Test
    void introducesARepositoryThatWasForgotten() {
        String sr = createSr();
        createVdi(sr);
        String uuid = (String) daemon.record("SR", sr).get("uuid");
        daemon.call("PBD.unplug", daemon.only("PBD"));
        daemon.call("SR.forget", sr);
        assertEquals(List.of(), daemon.call("VDI.get_all"));
        String probe =
                (String)
                        daemon.call(
                                "SR.probe", daemon.only("host"), Map.of("location", "a"), "fake");
        assertTrue(probe.contains(uuid));
        daemon.call("SR.introduce", uuid, "again", "", "fake", "", false);
        fails(
                ErrorCode.SR_UUID_EXISTS,
                () -> daemon.call("SR.introduce", uuid, "again", "", "fake", "", false),
                uuid);
        Map<String, Object> record =
                Map.of(
                        "host", daemon.only("host"),
                        "SR", sr,
                        "device_config", Map.of("location", "a"));
        Object pbd = daemon.call("PBD.create", record);
        fails(ErrorCode.PBD_EXISTS, () -> daemon.call("PBD.create", record));
        daemon.call("PBD.plug", pbd);
        assertEquals("disk", daemon.record("VDI", daemon.only("VDI")).get("name_label"));
        assertEquals("again", storage.medium("a").identity.label());
    }

    @Test
    void takesTheTextsOfTheMediumWhereAnIntroductionLeavesThemOut() {
        String sr = createSr();
        daemon.call("SR.set_name_description", sr, "what it is for");
        String uuid = (String) daemon.record("SR", sr).get("uuid");
        daemon.call("PBD.unplug", daemon.only("PBD"));
        daemon.call("SR.forget", sr);
        var there = storage.medium("a").identity;
        storage.medium("a").identity =
                new SrIdentity(
                        there.uuid(), there.label(), there.description(), Map.of("kept", "yes"));
        daemon.call("SR.introduce", uuid, "again", "", "fake", "", false);
        Map<String, Object> record =
                Map.of(
                        "host", daemon.only("host"),
                        "SR", sr,
                        "device_config", Map.of("location", "a"));
        daemon.call("PBD.plug", daemon.call("PBD.create", record));
        assertEquals("again", daemon.record("SR", sr).get("name_label"));
        assertEquals("what it is for", daemon.record("SR", sr).get("name_description"));
        assertEquals("what it is for", storage.medium("a").identity.description());
        assertEquals(Map.of("kept", "yes"), storage.medium("a").identity.smConfig());
        daemon.call("PBD.unplug", daemon.only("PBD"));
        daemon.call("SR.set_name_description", sr, "");
        daemon.call("PBD.plug", daemon.only("PBD"));
        assertEquals("", storage.medium("a").identity.description());
    }

    @Test
    void refusesTextsThatXmlCannotCarry() {
        String sr = createSr();
        for (String bad : List.of("\u0007", "\u001b[31m", "\u0000", "\ud800", "\uffff")) {
            fails(ErrorCode.INVALID_VALUE, () -> daemon.call("SR.set_name_label", sr, "a" + bad));
        }
        String good = "tab\tline\n\ud83d\ude00";
        daemon.call("SR.set_name_label", sr, good);
        assertEquals(good, daemon.record("SR", sr).get("name_label"));
    }

    @Test
    void showsTextsOfTheMediumThatXmlCannotCarryWithASignInPlace() {
        String sr = createSr();
        SrIdentity there = storage.medium("a").identity;
        storage.medium("a").identity =
                new SrIdentity(there.uuid(), "a\u0007b", "c\ud800d", there.smConfig());
        daemon.call("PBD.unplug", daemon.only("PBD"));
        daemon.call("PBD.plug", daemon.only("PBD"));
        assertEquals("a\ufffdb", daemon.record("SR", sr).get("name_label"));
        assertEquals("c\ufffdd", daemon.record("SR", sr).get("name_description"));
    }

    @Test
    void saysWhyAScanFailedUntilOnePasses() {
        String sr = createSr();
        storage.medium("a").scanBroken = true;
        fails(ErrorCode.SR_SCAN_FAILED, () -> daemon.call("SR.scan", sr));
        assertTrue(
                daemon.record("SR", sr).get("other_config").toString().contains("cannot be read"));
        daemon.call("PBD.unplug", daemon.only("PBD"));
        assertEquals(Map.of(), daemon.record("SR", sr).get("other_config"));
    }

    @Test
    void showsAQuarantinedImageWithItsReasonAndLeavesTheOthersAlone() {
        String sr = createSr();
        String good = createVdi(sr);
        UUID bad = storage.plant("a", new VdiState.Quarantined("the footer is gone"));
        daemon.call("SR.scan", sr);
        Map<?, ?> record = daemon.record("VDI", daemon.ref("VDI", bad.toString()));
        assertEquals(false, record.get("missing"));
        assertEquals(false, record.get("managed"));
        assertEquals("the footer is gone", ((Map<?, ?>) record.get("sm_config")).get("quarantine"));
        assertEquals(true, daemon.record("VDI", good).get("managed"));
        assertEquals(List.of("t"), daemon.record("VDI", good).get("tags"));
        fails(
                ErrorCode.VDI_UNAVAILABLE,
                () -> daemon.call("VDI.destroy", daemon.ref("VDI", bad.toString())));
    }

    @Test
    void scanDropsDisksThatAreGoneUnlessSomebodyIsConnectedToThem() {
        String sr = createSr();
        String gone = createVdi(sr);
        String used = createVdi(sr);
        createVbd(used);
        storage.medium("a").disks.clear();
        daemon.call("SR.scan", sr);
        fails(ErrorCode.HANDLE_INVALID, () -> daemon.record("VDI", gone), "VDI", gone);
        assertEquals(true, daemon.record("VDI", used).get("missing"));
    }

    /**
     * <pre>
     * caller A   VDI.create ---- waits in the driver ------------ row written
     * caller B            SR.scan (sees nothing)   cancel refused
     * caller C            PBD.unplug: refused
     * </pre>
     */
    @Test
    void scansAroundADiskThatIsBeingMadeAndRefusesToUnplugMeanwhile() throws Exception {
        String sr = createSr();
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch release = new CountDownLatch(1);
        storage.medium("a").beforeCreate = () -> await(inside, release);
        CompletableFuture<String> made = inBackground(() -> createVdi(sr));
        assertTrue(inside.await(20, TimeUnit.SECONDS));
        daemon.call("SR.scan", sr);
        fails(
                ErrorCode.OTHER_OPERATION_IN_PROGRESS,
                () -> daemon.call("PBD.unplug", daemon.only("PBD")),
                "SR",
                sr);
        Map<?, ?> running = (Map<?, ?>) daemon.record("SR", sr).get("current_operations");
        assertEquals(List.of("vdi_create"), List.copyOf(running.values()));
        release.countDown();
        String vdi = made.get(20, TimeUnit.SECONDS);
        assertEquals(List.of(vdi), daemon.record("SR", sr).get("VDIs"));
        assertEquals(Map.of(), daemon.record("SR", sr).get("current_operations"));
    }

    @Test
    void cancelsACallThroughItsTask() throws Exception {
        String sr = createSr();
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch release = new CountDownLatch(1);
        storage.medium("a").beforeCreate = () -> await(inside, release);
        CompletableFuture<String> made = inBackground(() -> createVdi(sr));
        assertTrue(inside.await(20, TimeUnit.SECONDS));
        String task = daemon.only("task");
        assertEquals("VDI.create", daemon.record("task", task).get("name_label"));
        assertEquals("pending", daemon.record("task", task).get("status"));
        daemon.call("task.cancel", task);
        assertEquals("cancelling", daemon.record("task", task).get("status"));
        release.countDown();
        Exception failure = assertThrows(Exception.class, () -> made.get(20, TimeUnit.SECONDS));
        assertEquals(ErrorCode.TASK_CANCELLED, ((StorageException) failure.getCause()).code());
        assertEquals(List.of(), daemon.call("task.get_all"));
    }

    private static void await(CountDownLatch inside, CountDownLatch release) {
        inside.countDown();
        try {
            assertTrue(release.await(20, TimeUnit.SECONDS));
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static <T> CompletableFuture<T> inBackground(java.util.function.Supplier<T> work) {
        return CompletableFuture.supplyAsync(
                work, task -> Threads.platform("caller", task).start());
    }

    @Test
    void keepsKeysOfMapsApart() {
        String sr = createSr();
        daemon.call("SR.add_to_other_config", sr, "k", "v");
        fails(
                ErrorCode.MAP_DUPLICATE_KEY,
                () -> daemon.call("SR.add_to_other_config", sr, "k", "w"));
        daemon.call("SR.remove_from_other_config", sr, "absent");
        daemon.call("SR.remove_from_other_config", sr, "k");
        assertEquals(Map.of(), daemon.record("SR", sr).get("other_config"));
    }

    @Test
    void checksReferencesThatAreSet() {
        String pool = daemon.only("pool");
        fails(
                ErrorCode.HANDLE_INVALID,
                () -> daemon.call("pool.set_default_SR", pool, "OpaqueRef:x"),
                "SR",
                "OpaqueRef:x");
        String sr = createSr();
        daemon.call("pool.set_default_SR", pool, sr);
        daemon.call("PBD.unplug", daemon.only("PBD"));
        daemon.call("SR.forget", sr);
        assertEquals("OpaqueRef:NULL", daemon.record("pool", pool).get("default_SR"));
    }
}
