// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.Reservations;
import dev.varve.sr.iscsi.ChapSecrets;
import dev.varve.sr.iscsi.IscsiName;
import dev.varve.sr.iscsi.Isid;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.sr.iscsi.TgtServer;
import dev.varve.sr.iscsi.login.Connector;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
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

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/** A unit of tgt as the place of a repository. */
@Tag("real")
@Timeout(120)
class LunMediumTest {
    private static final String TARGET = "iqn.2001-04.com.example:storage";
    private static final int SIZE = 32 << 20;

    @TempDir Path directory;

    private static LunMedium open(TgtServer server, String host) {
        SessionSpec spec =
                SessionSpec.of(
                        new IscsiName("iqn.2001-04.com.example:" + host),
                        new IscsiName(TARGET),
                        Isid.random(RandomSource.secure()),
                        server.portal(),
                        ChapSecrets.NONE);
        return LunMedium.open(
                spec,
                server.portals(),
                1,
                true,
                LunSettings.DEFAULT,
                new Connector(RandomSource.secure()),
                Clock.system(),
                Waiting.threads());
    }

    @ParameterizedTest
    @CsvSource({"512, 1, false", "4096, 2, true"})
    void bytesAreWhatWasWritten(int block, int portals, boolean thin) throws Exception {
        try (TgtServer server = TgtServer.start(directory, portals)) {
            server.addTarget(1, TARGET);
            server.addLun(1, 1, SIZE, block);
            if (thin) {
                server.setLun(1, 1, "thin_provisioning=1");
            }
            try (LunMedium medium = open(server, "one")) {
                assertEquals(SIZE, medium.sizeBytes());
                assertEquals(block, medium.blockBytes());
                assertEquals(thin, medium.canDiscard());
                assertTrue(medium.isWritable());
                byte[] model = new byte[SIZE];
                Random random = new Random(block);
                for (int i = 0; i < 40; i++) {
                    byte[] data = new byte[1 + random.nextInt(i == 0 ? 3 << 20 : 20_000)];
                    random.nextBytes(data);
                    int at = random.nextInt(SIZE - data.length);
                    medium.write(at, data);
                    System.arraycopy(data, 0, model, at, data.length);
                }
                medium.zero(block, 100L * block);
                Arrays.fill(model, block, 101 * block, (byte) 0);
                medium.flush();
                server.kill();
                server.restart();
                medium.check();
                assertArrayEquals(model, medium.read(0, SIZE));
                assertArrayEquals(Arrays.copyOfRange(model, 77, 7777), medium.read(77, 7700));
                medium.discard(1 << 20, 1 << 20);
                byte[] after = medium.read(1 << 20, 1 << 20);
                byte[] before = Arrays.copyOfRange(model, 1 << 20, 2 << 20);
                assertTrue(Arrays.equals(before, after) || Arrays.equals(after, new byte[1 << 20]));
                StorageException outside =
                        assertThrows(StorageException.class, () -> medium.read(SIZE - 1, 2));
                assertEquals(ErrorCode.SR_IO_ERROR, outside.code());
            }
        }
    }

    @Test
    void aHostWhoseKeyWasTakenAwayWritesNoMore() throws Exception {
        try (TgtServer server = TgtServer.start(directory, 2)) {
            server.addTarget(1, TARGET);
            server.addLun(1, 1, SIZE, 512);
            try (LunMedium one = open(server, "one");
                    LunMedium two = open(server, "two");
                    RunningLane lane = new RunningLane(true)) {
                Reservations mine = one.reservations().orElseThrow();
                mine.register(11);
                mine.reserve(Reservations.WRITE_EXCLUSIVE_ALL_REGISTRANTS);
                // a lane that comes later registers its sessions before it uses them
                byte[] data = new byte[512];
                assertEquals(
                        IoStatus.OK,
                        lane.write(one.device(), 0, data, 0).get(30, TimeUnit.SECONDS));
                StorageException stranger =
                        assertThrows(StorageException.class, () -> two.write(0, data));
                assertEquals(ErrorCode.SR_IO_ERROR, stranger.code());
                Reservations theirs = two.reservations().orElseThrow();
                theirs.register(22);
                two.write(0, data);
                theirs.preemptAndAbort(11);
                assertFalse(theirs.keys().contains(11L));
                assertThrows(StorageException.class, () -> one.write(0, data));
                assertEquals(
                        IoStatus.IO_ERROR,
                        lane.write(one.device(), 0, data, 0).get(30, TimeUnit.SECONDS));
                // new sessions do not bring the key back
                Process cut =
                        new ProcessBuilder("ss", "-K", "dport", "=", "" + server.portal().port())
                                .redirectErrorStream(true)
                                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                                .start();
                assertEquals(0, cut.waitFor());
                assertThrows(StorageException.class, () -> one.write(0, data));
                two.write(0, data);
                assertFalse(theirs.keys().contains(11L));
                one.device().close();
            }
        }
    }
}
