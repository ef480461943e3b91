// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.iscsi.ChapSecrets;
import dev.varve.sr.iscsi.DigestChoice;
import dev.varve.sr.iscsi.IscsiName;
import dev.varve.sr.iscsi.Isid;
import dev.varve.sr.iscsi.Portal;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.sr.iscsi.TgtServer;
import dev.varve.sr.iscsi.login.Connector;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Waiting;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/** A unit of tgt, which is well, dies, freezes, or loses a portal. */
@Tag("real")
@Timeout(120)
class LunOnTgtTest {
    private static final String TARGET = "iqn.2001-04.com.example:storage";
    private static final int SIZE = 16 << 20;
    private static final int PIECE = 4096;
    private static final int PIECES = SIZE / PIECE;

    @TempDir Path directory;

    private static LunDevice device(TgtServer server, int block, SessionSpec spec) {
        return device(server, 1, block, spec);
    }

    private static LunDevice device(TgtServer server, int lun, int block, SessionSpec spec) {
        LunShape shape =
                new LunShape(SIZE / block, block, 4096, true, 1 << 20, 0, 0xFFFF, false, false);
        LunSettings usual = LunSettings.DEFAULT;
        LunSettings settings =
                new LunSettings(
                        64,
                        TimeUnit.SECONDS.toNanos(2),
                        TimeUnit.MILLISECONDS.toNanos(50),
                        TimeUnit.MILLISECONDS.toNanos(200),
                        usual.commandNanos(),
                        usual.abortNanos(),
                        TimeUnit.SECONDS.toNanos(1),
                        TimeUnit.SECONDS.toNanos(2),
                        usual.holdNanos());
        return new LunDevice(
                spec,
                server.portals(),
                lun,
                shape,
                settings,
                new Connector(RandomSource.secure())::logIn,
                Clock.system(),
                Waiting.threads());
    }

    private static SessionSpec spec(Portal portal, ChapSecrets chap) {
        return SessionSpec.of(
                new IscsiName("iqn.2001-04.com.example:host"),
                new IscsiName(TARGET),
                Isid.random(RandomSource.secure()),
                portal,
                chap);
    }

    private static void await(BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(40);
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < end, "what was waited for does not happen");
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    @ParameterizedTest
    @CsvSource({"512, 1, NONE", "4096, 2, NONE", "512, 2, REQUIRED"})
    void whatIsWrittenIsReadAndInTheFile(int block, int portals, DigestChoice digest)
            throws Exception {
        try (TgtServer server = TgtServer.start(directory, portals);
                RunningLane lane = new RunningLane(true)) {
            server.addTarget(1, TARGET);
            server.setTarget(1, "HeaderDigest", "None,CRC32C");
            server.setTarget(1, "DataDigest", "None,CRC32C");
            server.addAccount(1, "varve", "secretsecret");
            Path file = server.addLun(1, 1, SIZE, block);
            ChapSecrets chap = ChapSecrets.oneWay("varve", "secretsecret");
            SessionSpec spec = spec(server.portal(), chap).digested(digest, digest);
            LunDevice device = device(server, block, spec);
            byte[] model = new byte[SIZE];
            Random random = new Random(block);
            for (int round = 0; round < 2; round++) {
                List<CompletableFuture<IoStatus>> all = new ArrayList<>();
                for (int i = 0; i < 16; i++) {
                    int area = SIZE / 16;
                    int blocks = 1 + random.nextInt(i == 0 ? area / block / 2 : 40);
                    int at = i * area + block * random.nextInt(area / block - blocks);
                    byte[] data = new byte[blocks * block];
                    random.nextBytes(data);
                    System.arraycopy(data, 0, model, at, data.length);
                    all.add(lane.write(device, at, data, 0));
                }
                for (CompletableFuture<IoStatus> one : all) {
                    assertEquals(IoStatus.OK, one.get(30, TimeUnit.SECONDS));
                }
            }
            int zeroed = 5 * block;
            Arrays.fill(model, zeroed, zeroed + 300 * block, (byte) 0);
            CompletableFuture<IoStatus> zeroes =
                    lane.start(device, BlockOp.WRITE_ZEROES, 0, zeroed, 300L * block, null);
            assertEquals(IoStatus.OK, zeroes.get(30, TimeUnit.SECONDS));
            assertEquals(IoStatus.OK, flush(lane, device));
            for (int at = 0; at < SIZE; at += 4 << 20) {
                byte[] expected = Arrays.copyOfRange(model, at, at + (4 << 20));
                assertArrayEquals(expected, lane.read(device, at, 4 << 20));
            }
            assertArrayEquals(model, Files.readAllBytes(file));
            for (PathHealth path : device.paths()) {
                assertEquals(0, path.errors(), path::toString);
            }
            device.close();
        }
    }

    private static IoStatus flush(RunningLane lane, LunDevice device) throws Exception {
        return lane.start(device, BlockOp.FLUSH, 0, 0, 0, null).get(60, TimeUnit.SECONDS);
    }

    /** Writes pieces that tell where and when they were written; each place once at a time. */
    private static final class Load {
        private final RunningLane lane;
        private final LunDevice device;
        private final Random random = new Random(5);
        private final long[] written = new long[PIECES];
        private final List<CompletableFuture<IoStatus>> inFlight = new ArrayList<>();
        private long serial;

        Load(RunningLane lane, LunDevice device) {
            this.lane = lane;
            this.device = device;
        }

        /** Keeps so many writes in flight until so many were done. */
        void start(int count) {
            boolean[] used = new boolean[PIECES];
            for (int i = 0; i < count; i++) {
                int piece = random.nextInt(PIECES);
                if (used[piece]) {
                    continue;
                }
                used[piece] = true;
                serial++;
                written[piece] = serial;
                inFlight.add(lane.write(device, (long) piece * PIECE, data(piece, serial), 0));
            }
        }

        void end() throws Exception {
            for (CompletableFuture<IoStatus> one : inFlight) {
                assertEquals(IoStatus.OK, one.get(60, TimeUnit.SECONDS));
            }
            inFlight.clear();
            assertEquals(IoStatus.OK, flush(lane, device));
        }

        private static byte[] data(int piece, long serial) {
            byte[] data = new byte[PIECE];
            new Random(piece * 1_000_003L + serial).nextBytes(data);
            return data;
        }

        void check() throws Exception {
            for (int piece = 0; piece < PIECES; piece++) {
                if (written[piece] > 0) {
                    byte[] found = lane.read(device, (long) piece * PIECE, PIECE);
                    assertArrayEquals(data(piece, written[piece]), found, "piece " + piece);
                }
            }
        }
    }

    /** The cache of tgt is the page cache of the host, which a killed tgt does not take along. */
    @Test
    void aTargetThatIsKilledUnderLoadLosesNothing() throws Exception {
        try (TgtServer server = TgtServer.start(directory, 2);
                RunningLane lane = new RunningLane(true)) {
            server.addTarget(1, TARGET);
            server.addLun(1, 1, SIZE, 512);
            LunDevice device = device(server, 512, spec(server.portal(), ChapSecrets.NONE));
            Load load = new Load(lane, device);
            load.start(200);
            load.end();
            for (int round = 0; round < 3; round++) {
                long before = device.lossEpoch();
                load.start(600);
                server.kill();
                server.restart();
                load.end();
                assertNotEquals(before, device.lossEpoch(), "it may have lost something");
            }
            load.check();
            device.close();
        }
    }

    @Test
    void aTargetThatFreezesIsWaitedFor() throws Exception {
        try (TgtServer server = TgtServer.start(directory, 1);
                RunningLane lane = new RunningLane(true)) {
            server.addTarget(1, TARGET);
            server.addLun(1, 1, SIZE, 512);
            LunDevice device = device(server, 512, spec(server.portal(), ChapSecrets.NONE));
            Load load = new Load(lane, device);
            load.start(100);
            load.end();
            load.start(500);
            server.freeze();
            await(() -> device.paths().getFirst().errors() > 0);
            server.thaw();
            load.end();
            load.check();
            device.close();
        }
    }

    /** The connections to one portal are cut under load, and the other one carries on. */
    @Test
    void aPortalThatIsCutOffLeavesTheOther() throws Exception {
        try (TgtServer server = TgtServer.start(directory, 2);
                RunningLane lane = new RunningLane(true)) {
            server.addTarget(1, TARGET);
            server.addLun(1, 1, SIZE, 512);
            LunDevice device = device(server, 512, spec(server.portal(), ChapSecrets.NONE));
            Load load = new Load(lane, device);
            load.start(100);
            load.end();
            await(() -> device.paths().stream().allMatch(p -> p.state() == PathState.UP));
            for (int round = 0; round < 3; round++) {
                load.start(800);
                Portal cut = server.portals().get(round % 2);
                Process ss =
                        new ProcessBuilder(
                                        "ss",
                                        "-K",
                                        "dst",
                                        cut.host(),
                                        "dport",
                                        "=",
                                        "" + cut.port())
                                .redirectErrorStream(true)
                                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                                .start();
                assertEquals(0, ss.waitFor());
                load.end();
            }
            load.check();
            assertTrue(device.paths().stream().mapToLong(PathHealth::errors).sum() > 0);
            device.close();
        }
    }

    /** What is taken away fails soon, and what the target has besides goes on. */
    @Test
    void aLunThatIsTakenAwayFailsAndLeavesTheOther() throws Exception {
        try (TgtServer server = TgtServer.start(directory, 1);
                RunningLane lane = new RunningLane(true)) {
            server.addTarget(1, TARGET);
            server.addLun(1, 1, SIZE, 512);
            server.addLun(1, 2, SIZE, 512);
            LunDevice stays = device(server, 512, spec(server.portal(), ChapSecrets.NONE));
            LunDevice goes = device(server, 2, 512, spec(server.portal(), ChapSecrets.NONE));
            Load load = new Load(lane, stays);
            load.start(100);
            load.end();
            byte[] data = new byte[PIECE];
            assertEquals(IoStatus.OK, lane.write(goes, 0, data, 0).get(30, TimeUnit.SECONDS));
            server.removeLun(1, 2);
            IoStatus end = lane.write(goes, 0, data, 0).get(30, TimeUnit.SECONDS);
            assertEquals(IoStatus.IO_ERROR, end);
            load.start(200);
            load.end();
            load.check();
            goes.close();
            stays.close();
        }
    }
}
