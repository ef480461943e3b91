// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.xensource.xenapi.APIVersion;
import com.xensource.xenapi.Connection;
import com.xensource.xenapi.Event;
import com.xensource.xenapi.EventBatch;
import com.xensource.xenapi.Host;
import com.xensource.xenapi.PBD;
import com.xensource.xenapi.Pool;
import com.xensource.xenapi.SM;
import com.xensource.xenapi.SR;
import com.xensource.xenapi.Secret;
import com.xensource.xenapi.Session;
import com.xensource.xenapi.Task;
import com.xensource.xenapi.Types;
import com.xensource.xenapi.VBD;
import com.xensource.xenapi.VDI;
import com.xensource.xenapi.VM;

import dev.varve.hv.storage.Drivers;
import dev.varve.hv.storage.LaneStorageEngine;
import dev.varve.hv.testing.NetworkDaemon;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.net.URI;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Date;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.UUID;

import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLSocketFactory;

/**
 * The SDK of XenServer for Java against a daemon with real repositories. It is strict: a field of
 * another type than it expects, or an error with another number of parameters, is an exception.
 */
@SuppressWarnings("JavaUtilDate") // it is what the SDK gives
final class JavaSdkTest {
    private static final long MIB = 1L << 20;

    @TempDir Path home;
    private NetworkDaemon daemon;
    private SSLSocketFactory standard;
    private Connection connection;

    @BeforeEach
    void start() throws Exception {
        daemon = new NetworkDaemon(home, Drivers.installed(), LaneStorageEngine::open);
        standard = HttpsURLConnection.getDefaultSSLSocketFactory();
        HttpsURLConnection.setDefaultSSLSocketFactory(daemon.trusting().getSocketFactory());
        connection = connect("http");
    }

    @AfterEach
    void stop() {
        HttpsURLConnection.setDefaultSSLSocketFactory(standard);
        daemon.close();
    }

    private URL url(String scheme) throws IOException {
        return URI.create(daemon.address(scheme)).toURL();
    }

    private Connection connect(String scheme) throws Exception {
        Connection made = new Connection(url(scheme));
        Session.loginWithPassword(
                made, "root", NetworkDaemon.PASSWORD, APIVersion.latest().toString());
        return made;
    }

    private Host host() throws Exception {
        return Host.getAll(connection).iterator().next();
    }

    private Map<String, String> location(String name) {
        return new HashMap<>(Map.of("location", home.resolve(name).toString()));
    }

    private SR createSr(String name) throws Exception {
        return SR.create(
                connection,
                host(),
                location(name),
                0L,
                name,
                "made by the SDK",
                "file",
                "",
                false,
                new HashMap<>());
    }

    private static VDI.Record specification(SR sr) {
        VDI.Record record = new VDI.Record();
        record.nameLabel = "disk <&> \u00e9\u20ac";
        record.nameDescription = "two\nlines";
        record.SR = sr;
        record.virtualSize = 16 * MIB;
        record.type = Types.VdiType.USER;
        record.sharable = false;
        record.readOnly = false;
        record.otherConfig = new HashMap<>(Map.of("a", "b"));
        record.tags = Set.of("t");
        return record;
    }

    private VDI createVdi(SR sr) throws Exception {
        return VDI.create(connection, specification(sr));
    }

    private void await(Task task) throws Exception {
        String token = "";
        while (task.getStatus(connection) == Types.TaskStatusType.PENDING) {
            token =
                    Event.from(connection, Set.of("task/" + task.toWireString()), token, 30.0)
                            .token;
        }
    }

    @Test
    void logsInOverPlainTextAndTls() throws Exception {
        for (String scheme : new String[] {"http", "https"}) {
            Connection other = connect(scheme);
            assertNotNull(other.getSessionReference());
            assertEquals(1, Host.getAllRecords(other).size());
            String ref = other.getSessionReference();
            Session.logout(other);
            Connection again = new Connection(url(scheme), ref);
            assertThrows(Types.SessionInvalid.class, () -> SR.getAll(again));
        }
        Connection wrong = new Connection(url("https"));
        assertThrows(
                Types.SessionAuthenticationFailed.class,
                () -> Session.loginWithPassword(wrong, "root", "not this", "1.3"));
    }

    @Test
    void readsAllRecordsOfTheClassesThatBothKnow() throws Exception {
        SR sr = createSr("one");
        VDI vdi = createVdi(sr);
        VM domain = VM.getAll(connection).iterator().next();
        VBD.Record plug = new VBD.Record();
        plug.VM = domain;
        plug.VDI = vdi;
        plug.userdevice = "autodetect";
        plug.mode = Types.VbdMode.RW;
        plug.type = Types.VbdType.DISK;
        VBD vbd = VBD.create(connection, plug);
        Secret.Record word = new Secret.Record();
        word.value = "hush";
        Secret.create(connection, word);
        Task task = Task.create(connection, "mine", "described");

        SR.Record srRecord = SR.getAllRecords(connection).get(sr);
        assertEquals("one", srRecord.nameLabel);
        assertEquals("file", srRecord.type);
        assertEquals(Set.of(vdi), srRecord.VDIs);
        assertTrue(srRecord.physicalSize > 16 * MIB);

        VDI.Record vdiRecord = VDI.getAllRecords(connection).get(vdi);
        assertEquals(specification(sr).nameLabel, vdiRecord.nameLabel);
        assertEquals("two\nlines", vdiRecord.nameDescription);
        assertEquals(16 * MIB, vdiRecord.virtualSize);
        assertEquals(sr, vdiRecord.SR);
        assertEquals(Map.of("a", "b"), vdiRecord.otherConfig);
        assertEquals(Set.of("t"), vdiRecord.tags);
        assertEquals(new Date(0), vdiRecord.snapshotTime);
        assertTrue(vdiRecord.allowedOperations.contains(Types.VdiOperations.SNAPSHOT));
        assertEquals(Set.of(vbd), vdiRecord.VBDs);

        PBD.Record pbd = PBD.getAllRecords(connection).values().iterator().next();
        assertTrue(pbd.currentlyAttached);
        assertEquals(home.resolve("one").toString(), pbd.deviceConfig.get("location"));
        assertEquals(vdi, VBD.getAllRecords(connection).get(vbd).VDI);
        assertEquals(
                Types.VmPowerState.RUNNING, VM.getAllRecords(connection).get(domain).powerState);
        assertEquals(host(), Pool.getAllRecords(connection).values().iterator().next().master);
        Host.Record host = Host.getAllRecords(connection).get(host());
        assertEquals(2L, host.APIVersionMajor);
        assertTrue(host.enabled);
        Task.Record taskRecord = Task.getAllRecords(connection).get(task);
        assertEquals(Types.TaskStatusType.PENDING, taskRecord.status);
        assertEquals("described", taskRecord.nameDescription);
        assertTrue(taskRecord.created.after(new Date(1_600_000_000_000L)));
        assertEquals("hush", Secret.getAllRecords(connection).values().iterator().next().value);
        assertTrue(
                SM.getAllRecords(connection).values().stream()
                        .anyMatch(driver -> driver.type.equals("file")));
        Session session = Types.toSession(connection.getSessionReference());
        Session.Record own = session.getRecord(connection);
        assertEquals("root", own.authUserName);
        assertEquals(host(), own.thisHost);
    }

    @Test
    void makesSnapshotsAndGrowsDisks() throws Exception {
        VDI vdi = createVdi(createSr("one"));
        VDI snapshot = vdi.snapshot(connection, new HashMap<>());
        VDI.Record record = snapshot.getRecord(connection);
        assertTrue(record.isASnapshot);
        assertEquals(vdi, record.snapshotOf);
        assertTrue(record.snapshotTime.after(new Date(1_600_000_000_000L)));
        assertEquals(Set.of(snapshot), vdi.getSnapshots(connection));
        vdi.resize(connection, 32 * MIB);
        assertEquals(32 * MIB, vdi.getVirtualSize(connection));
        VDI clone = snapshot.createClone(connection, new HashMap<>());
        assertEquals(16 * MIB, clone.getVirtualSize(connection));
        clone.destroy(connection);
        assertThrows(Types.HandleInvalid.class, () -> clone.getUuid(connection));
    }

    @Test
    void changesFieldsAndMaps() throws Exception {
        SR sr = createSr("one");
        sr.setNameLabel(connection, "renamed");
        sr.addToOtherConfig(connection, "k", "v");
        Types.MapDuplicateKey failure =
                assertThrows(
                        Types.MapDuplicateKey.class,
                        () -> sr.addToOtherConfig(connection, "k", "w"));
        assertEquals("SR", failure.type);
        assertEquals("other_config", failure.paramName);
        assertEquals("k", failure.key);
        sr.removeFromOtherConfig(connection, "k");
        sr.removeFromOtherConfig(connection, "k");
        sr.setOtherConfig(connection, Map.of("x", "", " y ", "<z>"));
        sr.addTags(connection, "one");
        sr.addTags(connection, "two");
        sr.removeTags(connection, "one");
        SR.Record record = sr.getRecord(connection);
        assertEquals("renamed", record.nameLabel);
        assertEquals(Map.of("x", "", " y ", "<z>"), record.otherConfig);
        assertEquals(Set.of("two"), record.tags);
        assertEquals(Set.of(sr), SR.getByNameLabel(connection, "renamed"));
        assertEquals(sr, SR.getByUuid(connection, record.uuid));
    }

    @Test
    void getsErrorsWithTypes() throws Exception {
        String unknown = UUID.randomUUID().toString();
        Types.UuidInvalid uuid =
                assertThrows(Types.UuidInvalid.class, () -> SR.getByUuid(connection, unknown));
        assertEquals("SR", uuid.type);
        assertEquals(unknown, uuid.uuid);
        Types.HandleInvalid handle =
                assertThrows(
                        Types.HandleInvalid.class,
                        () -> Types.toVDI("OpaqueRef:none").getRecord(connection));
        assertEquals("VDI", handle.clazz);
        assertEquals("OpaqueRef:none", handle.handle);
        assertThrows(
                Types.SrUnknownDriver.class,
                () ->
                        SR.create(
                                connection,
                                host(),
                                new HashMap<>(),
                                0L,
                                "",
                                "",
                                "no such",
                                "",
                                false,
                                new HashMap<>()));
        Files.createFile(home.resolve("a file"));
        Types.XenAPIException backend =
                assertThrows(Types.XenAPIException.class, () -> createSr("a file"));
        assertTrue(
                backend.errorDescription[0].startsWith("SR_BACKEND_FAILURE_"),
                backend.errorDescription[0]);
        assertEquals(4, backend.errorDescription.length);
        SR sr = createSr("one");
        createVdi(sr);
        assertThrows(Types.SrHasPbd.class, () -> sr.forget(connection));
    }

    @Test
    void learnsOfChangesByEvents() throws Exception {
        EventBatch first = Event.from(connection, Set.of("*"), "", 0.0);
        assertTrue(first.events.stream().anyMatch(event -> event.clazz.equalsIgnoreCase("host")));
        EventBatch nothing = Event.from(connection, Set.of("vdi"), first.token, 0.1);
        assertTrue(nothing.events.isEmpty());
        SR sr = createSr("one");
        VDI vdi = createVdi(sr);
        String token = first.token;
        Event.Record found = null;
        while (found == null) {
            EventBatch batch = Event.from(connection, Set.of("vdi"), token, 30.0);
            token = batch.token;
            found =
                    batch.events.stream()
                            .filter(event -> event.ref.equals(vdi.toWireString()))
                            .findFirst()
                            .orElse(null);
        }
        assertEquals(Types.EventOperation.ADD, found.operation);
        assertEquals(vdi.getUuid(connection), ((VDI.Record) found.snapshot).uuid);
        vdi.setNameLabel(connection, "renamed");
        Event.Record changed =
                Event.from(connection, Set.of("vdi"), token, 30.0).events.iterator().next();
        assertEquals(Types.EventOperation.MOD, changed.operation);
        assertEquals("renamed", ((VDI.Record) changed.snapshot).nameLabel);

        Event.register(connection, Set.of("vdi"));
        vdi.setNameLabel(connection, "again");
        Event.Record older = Event.next(connection).iterator().next();
        assertEquals(vdi.toWireString(), older.ref);
        Event.unregister(connection, Set.of("vdi"));
        vdi.destroy(connection);
    }

    @Test
    void followsTasksOfCallsThatItDoesNotWaitFor() throws Exception {
        SR sr = createSr("one");
        Task task = VDI.createAsync(connection, specification(sr));
        await(task);
        Task.Record record = task.getRecord(connection);
        assertEquals(Types.TaskStatusType.SUCCESS, record.status);
        assertEquals(1.0, record.progress);
        VDI vdi = VDI.getAll(connection).iterator().next();
        assertTrue(record.result.contains(vdi.toWireString()), record.result);
        assertEquals(vdi, Types.toVDI(task, connection));
        task.destroy(connection);

        Task failing = vdi.resizeAsync(connection, 1L);
        await(failing);
        record = failing.getRecord(connection);
        assertEquals(Types.TaskStatusType.FAILURE, record.status);
        assertFalse(record.errorInfo.isEmpty());
        failing.destroy(connection);
        assertNull(Task.getAllRecords(connection).get(failing));
    }
}
