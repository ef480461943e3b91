// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.vdi.disk.VdiState;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

final class VarveDaemonTest {
    @TempDir Path home;
    private final FakeStorage storage = new FakeStorage();

    private TestDaemon start() throws IOException {
        return new TestDaemon(home, storage);
    }

    private static String createSr(TestDaemon daemon) throws IOException {
        return daemon.xe("sr-create", "type=fake", "name-label=one", "device-config:location=a")
                .ok();
    }

    private static String createVdi(TestDaemon daemon, String sr) throws IOException {
        return daemon.xe("vdi-create", "sr-uuid=" + sr, "name-label=disk", "virtual-size=1MiB")
                .ok();
    }

    private static Map<?, ?> record(TestDaemon daemon, String className, String uuid) {
        return daemon.record(className, daemon.ref(className, uuid));
    }

    /** Lets a retry happen, which runs on a thread of its own, until the condition holds. */
    private static void advanceUntil(TestDaemon daemon, BooleanSupplier condition) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < deadline, "it did not come about");
            daemon.time.advance(1, TimeUnit.SECONDS);
            // Other threads get on; and so little time passes that no session ends by its age.
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
        }
    }

    @Test
    void keepsItsIdentityAndItsObjectsOverARestart() throws IOException {
        String host;
        String pool;
        String sr;
        String vdi;
        try (TestDaemon daemon = start()) {
            host = daemon.xe("host-list", "--minimal").ok();
            pool = daemon.xe("pool-list", "--minimal").ok();
            sr = createSr(daemon);
            vdi = createVdi(daemon, sr);
            daemon.xe("vdi-param-set", "uuid=" + vdi, "other-config:k=v").ok();
        }
        try (TestDaemon daemon = start()) {
            assertEquals(host, daemon.xe("host-list", "--minimal").ok());
            assertEquals(pool, daemon.xe("pool-list", "--minimal").ok());
            assertEquals(sr, daemon.xe("sr-list", "--minimal").ok());
            assertEquals(Map.of("k", "v"), record(daemon, "VDI", vdi).get("other_config"));
            assertEquals(
                    "true", daemon.xe("pbd-list", "params=currently-attached", "--minimal").ok());
        }
    }

    @Test
    void belongsToThePoolThatItsSettingsName() throws IOException {
        String given = "5f3c4a5e-0000-4000-8000-0123456789ab";
        String sr;
        try (TestDaemon daemon = start()) {
            String own = daemon.xe("pool-list", "--minimal").ok();
            sr = createSr(daemon);
            daemon.xe("pool-param-set", "uuid=" + own, "default-SR=" + sr).ok();
        }
        Path settings = home.resolve(Settings.FILE);
        String before = Files.exists(settings) ? Files.readString(settings) : "";
        Files.writeString(settings, before + "\npool.uuid=" + given + "\n");
        for (int i = 0; i < 2; i++) {
            try (TestDaemon daemon = start()) {
                assertEquals(given, daemon.xe("pool-list", "--minimal").ok());
                assertEquals(sr, daemon.xe("pool-list", "params=default-SR", "--minimal").ok());
            }
        }
    }

    @Test
    void attachesAgainWhatWasAttachedWhenItStopped() throws IOException {
        String vdi;
        try (TestDaemon daemon = start()) {
            vdi = createVdi(daemon, createSr(daemon));
            daemon.xe("varve-attach", "uuid=" + vdi).ok();
            assertEquals("activated", storage.datapath.get(UUID.fromString(vdi)));
        }
        assertEquals(Map.of(), storage.datapath);
        try (TestDaemon daemon = start()) {
            assertEquals("activated", storage.datapath.get(UUID.fromString(vdi)));
            assertEquals(
                    "true", daemon.xe("vbd-list", "params=currently-attached", "--minimal").ok());
        }
    }

    @Test
    void startsWithoutARepositoryThatIsAwayAndHealsWhenItComesBack() throws IOException {
        String sr;
        String vdi;
        try (TestDaemon daemon = start()) {
            sr = createSr(daemon);
            vdi = createVdi(daemon, sr);
            daemon.xe("varve-attach", "uuid=" + vdi).ok();
        }
        storage.medium("a").away = true;
        try (TestDaemon daemon = start()) {
            assertEquals(
                    "false", daemon.xe("pbd-list", "params=currently-attached", "--minimal").ok());
            assertEquals(
                    "the medium is away; bring it back (SR_BACKEND_FAILURE_47)",
                    daemon.xe(
                                    "sr-param-get",
                                    "uuid=" + sr,
                                    "param-name=other-config",
                                    "param-key=last-error")
                            .ok());
            TestDaemon.Result refused = daemon.xe("vdi-destroy", "uuid=" + vdi);
            assertTrue(refused.err().contains("Error code: SR_NOT_ATTACHED"), refused.err());
            storage.medium("a").away = false;
            UUID disk = UUID.fromString(vdi);
            advanceUntil(daemon, () -> "activated".equals(storage.datapath.get(disk)));
            advanceUntil(daemon, () -> lastError(daemon, sr) == null);
            assertTrue(daemon.xe("varve-status").ok().contains(": attached, "));
        }
    }

    @Test
    void showsThatARepositoryWentAwayAndThatItIsBack() throws IOException {
        try (TestDaemon daemon = start()) {
            String sr = createSr(daemon);
            storage.medium("a").away = true;
            advanceUntil(daemon, () -> lastError(daemon, sr) != null);
            storage.medium("a").away = false;
            advanceUntil(daemon, () -> lastError(daemon, sr) == null);
        }
    }

    /** The disks of a medium that has gone away are let go of, and taken up when it is back. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void bringsALostMediumBackAndItsDisksWithIt(boolean needsAttaching) throws IOException {
        try (TestDaemon daemon = start()) {
            String sr = createSr(daemon);
            storage.medium("a").needsAttaching = needsAttaching;
            String vdi = createVdi(daemon, sr);
            String other = createVdi(daemon, sr);
            daemon.xe("varve-attach", "uuid=" + vdi).ok();
            storage.medium("a").away = true;
            storage.medium("a").lost = true;
            advanceUntil(daemon, () -> lastError(daemon, sr) != null);
            assertEquals(Map.of(), storage.datapath);
            assertEquals(
                    "false", daemon.xe("vbd-list", "params=currently-attached", "--minimal").ok());
            storage.medium("a").away = false;
            advanceUntil(daemon, () -> lastError(daemon, sr) == null);
            advanceUntil(
                    daemon, () -> "activated".equals(storage.datapath.get(UUID.fromString(vdi))));
            assertFalse(storage.medium("a").lost);
            assertFalse(storage.datapath.containsKey(UUID.fromString(other)));
            advanceUntil(
                    daemon,
                    () ->
                            daemon.call("VBD.get_all_records") instanceof Map<?, ?> all
                                    && all.values().stream()
                                            .allMatch(
                                                    row ->
                                                            Boolean.TRUE.equals(
                                                                    ((Map<?, ?>) row)
                                                                            .get(
                                                                                    "currently_attached"))));
        }
    }

    private static Object lastError(TestDaemon daemon, String sr) {
        return ((Map<?, ?>) record(daemon, "SR", sr).get("other_config")).get("last-error");
    }

    @Test
    void leavesUnpluggedWhatTheUserUnplugged() throws IOException {
        try (TestDaemon daemon = start()) {
            createSr(daemon);
            daemon.xe("pbd-unplug", "uuid=" + daemon.xe("pbd-list", "--minimal").ok()).ok();
        }
        try (TestDaemon daemon = start()) {
            assertEquals(
                    "false", daemon.xe("pbd-list", "params=currently-attached", "--minimal").ok());
        }
    }

    @Test
    void keepsASecondDaemonAway() throws IOException {
        try (TestDaemon daemon = start()) {
            IOException refused = assertThrows(IOException.class, this::start);
            assertEquals(
                    "a daemon is running under "
                            + daemon.daemon.home()
                            + " already, with process id "
                            + ProcessHandle.current().pid(),
                    refused.getMessage());
            assertEquals("", daemon.xe("sr-list").ok());
        }
        assertFalse(Files.exists(home.resolve("run/varved.pid")));
        start().close();
    }

    /** An SR whose first scan fails is attached all the same, and scanned as soon as that works. */
    @Test
    void scansAgainWhenTheFirstScanFailed() throws IOException {
        storage.medium("a").scanBroken = true;
        try (TestDaemon daemon = start()) {
            String sr = createSr(daemon);
            UUID disk = storage.plant("a", new VdiState.Valid());
            assertTrue(lastError(daemon, sr) != null);
            storage.medium("a").scanBroken = false;
            advanceUntil(daemon, () -> lastError(daemon, sr) == null);
            assertEquals(disk.toString(), daemon.xe("vdi-list", "--minimal").ok());
        }
    }
}
