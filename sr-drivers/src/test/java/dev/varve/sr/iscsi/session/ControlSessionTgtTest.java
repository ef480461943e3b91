// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.session;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.iscsi.ChapSecrets;
import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.DigestChoice;
import dev.varve.sr.iscsi.IscsiName;
import dev.varve.sr.iscsi.Isid;
import dev.varve.sr.iscsi.SessionLimits;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.sr.iscsi.TgtServer;
import dev.varve.sr.iscsi.login.Connector;
import dev.varve.sr.iscsi.login.Discovery;
import dev.varve.sr.scsi.Lun;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Control work at a target of tgt, with the tools of libiscsi as a second opinion. */
@Tag("real")
class ControlSessionTgtTest {
    private static final IscsiName INITIATOR = new IscsiName("iqn.2026-01.dev.varve:host1");
    private static final String TARGET = "iqn.2026-01.dev.varve:disks";
    private static final long SIZE = 64 << 20;
    private static final long LARGE = 3L << 40;

    @TempDir Path directory;
    private TgtServer server;
    private Path small;

    @BeforeEach
    void startServer() throws Exception {
        server = TgtServer.start(directory, 2);
        server.addTarget(1, TARGET);
        small = server.addLun(1, 1, SIZE, 512);
        server.addLun(1, 2, SIZE, 4096);
        server.addLun(1, 3, LARGE, 512);
        server.setLun(1, 2, "thin_provisioning=1,scsi_sn=serial-of-two");
        server.setTarget(1, "HeaderDigest", "CRC32C");
        server.setTarget(1, "DataDigest", "CRC32C");
    }

    @AfterEach
    void stopServer() throws Exception {
        if (server != null) {
            server.close();
        }
    }

    private SessionSpec spec() {
        Isid isid = Isid.random(RandomSource.secure());
        return SessionSpec.of(
                INITIATOR, new IscsiName(TARGET), isid, server.portal(), ChapSecrets.NONE);
    }

    private static ControlSession session(SessionSpec spec) {
        return session(spec, 20_000);
    }

    private static ControlSession session(SessionSpec spec, long timeoutMillis) {
        Connector connector = new Connector(RandomSource.secure());
        return new ControlSession(spec, connector, Clock.system(), timeoutMillis);
    }

    private static String run(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(process.waitFor(20, TimeUnit.SECONDS));
        assertEquals(0, process.exitValue(), output);
        return output;
    }

    private String url(int lun) {
        return "iscsi://" + server.portal() + "/" + TARGET + "/" + lun;
    }

    @Test
    void portalsListTheirTargets() {
        List<Discovery.Target> targets =
                new Discovery(RandomSource.secure())
                        .sendTargets(
                                server.portal(),
                                INITIATOR,
                                ChapSecrets.NONE,
                                Deadline.in(Clock.system(), 10_000));
        assertEquals(1, targets.size());
        assertEquals(TARGET, targets.getFirst().name().value());
        assertEquals(
                List.of(server.portal()), // tgt tells only of the address that it was asked at
                targets.getFirst().addresses().stream().map(Discovery.Address::portal).toList());
    }

    @Test
    void lunsAreWhatOthersSayTheyAre() throws Exception {
        try (ControlSession session = session(spec())) {
            List<LunDetails> luns = LunDetails.ofTarget(session);
            assertEquals(List.of(1, 2, 3), luns.stream().map(LunDetails::lun).toList());
            assertEquals("serial-of-two", luns.get(1).serial());
            assertEquals(LARGE, luns.get(2).sizeBytes());
            assertEquals(4096, luns.get(1).blockBytes());
            for (LunDetails lun : luns) {
                String capacity = run("iscsi-readcapacity16", url(lun.lun()));
                assertTrue(capacity.contains("Total size:" + lun.sizeBytes()), capacity);
                String serial = run("iscsi-inq", "-e", "1", "-c", "128", url(lun.lun()));
                assertTrue(serial.contains(lun.serial() + "]"), serial + lun);
                // This is how disks of tgt are called wherever scsi_id is asked.
                String name = "360000000000000000e000000000100%02x".formatted(lun.lun());
                assertEquals(name, lun.scsiId());
                String standard = run("iscsi-inq", url(lun.lun()));
                assertTrue(standard.contains("Vendor:" + lun.vendor()), standard);
            }
            assertEquals(3, luns.stream().map(LunDetails::scsiId).distinct().count());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void whatIsWrittenIsRead(int number) {
        SessionSpec digested = spec().digested(DigestChoice.REQUIRED, DigestChoice.REQUIRED);
        // Without data in the command and with small bursts, many R2T are needed.
        SessionSpec asked = spec().limited(new SessionLimits(8192, 16384, 8192, 1, false));
        for (SessionSpec spec : List.of(spec(), digested, asked)) {
            try (ControlSession session = session(spec)) {
                ControlLun lun = new ControlLun(session, Lun.bytes(number));
                assertTrue(lun.isWritable());
                int size = lun.capacity().blockBytes();
                byte[] data = new byte[600 * 1024];
                new Random(number).nextBytes(data);
                long last = lun.capacity().blocks() - data.length / size;
                for (long block : new long[] {0, 7, last}) {
                    lun.write(block, data);
                    lun.flush();
                    assertArrayEquals(data, lun.read(block, data.length / size));
                }
                lun.zero(last, 8);
                Arrays.fill(data, 0, 8 * size, (byte) 0);
                assertArrayEquals(data, lun.read(last, data.length / size));
                assertThrows(
                        IndexOutOfBoundsException.class,
                        () -> lun.read(lun.capacity().blocks() - 1, 2));
            }
        }
    }

    @Test
    void thinLunsGiveBlocksUp() {
        try (ControlSession session = session(spec())) {
            ControlLun thin = new ControlLun(session, Lun.bytes(2));
            assertTrue(thin.canUnmap());
            byte[] data = new byte[1 << 20];
            Arrays.fill(data, (byte) 7);
            thin.write(0, data);
            thin.unmap(0, data.length / 4096);
            assertArrayEquals(new byte[data.length], thin.read(0, data.length / 4096));
            assertFalse(new ControlLun(session, Lun.bytes(1)).canUnmap());
        }
    }

    @Test
    void aTargetThatIsKilledAndStartedAgainIsFoundAgain() throws Exception {
        try (ControlSession session = session(spec())) {
            ControlLun lun = new ControlLun(session, Lun.bytes(1));
            byte[] data = new byte[64 * 1024];
            new Random(3).nextBytes(data);
            lun.write(0, data);
            server.kill();
            // As if the target had lost what it kept in memory.
            Files.write(small, new byte[data.length], java.nio.file.StandardOpenOption.WRITE);
            CompletableFuture<Void> flush = CompletableFuture.runAsync(lun::flush);
            server.restart();
            flush.get(20, TimeUnit.SECONDS);
            assertArrayEquals(data, lun.read(0, data.length / 512));
            assertArrayEquals(data, Arrays.copyOf(Files.readAllBytes(small), data.length));
        }
    }

    @Test
    void aTargetThatIsFrozenIsWaitedForAndNotForEver() throws Exception {
        try (ControlSession session = session(spec(), 3000)) {
            ControlLun lun = new ControlLun(session, Lun.bytes(1));
            server.freeze();
            StorageException failure = assertThrows(StorageException.class, () -> lun.read(0, 1));
            assertEquals(ErrorCode.SR_UNAVAILABLE, failure.code());
            server.thaw();
            assertEquals(512, lun.read(0, 1).length);
            session.ping();
        }
    }

    @Test
    void aLunThatIsGoneIsTold() throws Exception {
        try (ControlSession session = session(spec())) {
            ControlLun lun = new ControlLun(session, Lun.bytes(1));
            server.removeLun(1, 1);
            StorageException failure = assertThrows(StorageException.class, () -> lun.read(0, 1));
            assertEquals(ErrorCode.ISCSI_DEVICE, failure.code());
            assertTrue(failure.sentence().contains("no such unit"), failure.sentence());
        }
    }

    @Test
    void theSameSessionElsewhereEndsTheFirstOne() {
        SessionSpec spec = spec();
        try (ControlSession first = session(spec);
                ControlSession second = session(spec)) {
            ControlLun lun = new ControlLun(first, Lun.bytes(1));
            second.ping();
            assertEquals(512, lun.read(0, 1).length); // by a third login
            assertTrue(first.losses() > 0);
        }
    }
}
