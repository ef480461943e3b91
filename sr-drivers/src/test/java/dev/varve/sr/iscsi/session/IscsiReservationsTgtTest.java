// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.session;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.Reservations;
import dev.varve.sr.iscsi.ChapSecrets;
import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.IscsiName;
import dev.varve.sr.iscsi.Isid;
import dev.varve.sr.iscsi.LoggedIn;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.sr.iscsi.TgtServer;
import dev.varve.sr.iscsi.login.Connector;
import dev.varve.sr.scsi.Lun;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Two hosts on one LUN of tgt, the first one with two paths. */
@Tag("real")
class IscsiReservationsTgtTest {
    private static final String TARGET = "iqn.2026-01.dev.varve:shared";
    private static final long LUN = Lun.bytes(1);
    private static final long KEY_1 = 0x1111_0000_0000_0001L;
    private static final long KEY_2 = 0x2222_0000_0000_0002L;

    @TempDir Path directory;
    private TgtServer server;
    private final Connector connector = new Connector(RandomSource.secure());

    private SessionSpec spec(String host, int portal) {
        return SessionSpec.of(
                new IscsiName("iqn.2026-01.dev.varve:" + host),
                new IscsiName(TARGET),
                Isid.random(RandomSource.secure()),
                server.portals().get(portal),
                ChapSecrets.NONE);
    }

    private ControlSession session(String host, int portal) {
        return new ControlSession(spec(host, portal), connector, Clock.system(), 20_000);
    }

    @Test
    void aHostThatLostItsKeyCannotWriteOnAnyPath() throws Exception {
        server = TgtServer.start(directory, 2);
        try (TgtServer closed = server;
                ControlSession first = session("host1", 0);
                ControlSession second = session("host1", 1);
                ControlSession other = session("host2", 0)) {
            closed.addTarget(1, TARGET);
            closed.addLun(1, 1, 16 << 20, 512);
            Reservations ours =
                    new IscsiReservations(LUN, () -> List.of(first.port(LUN), second.port(LUN)));
            Reservations theirs = new IscsiReservations(LUN, () -> List.of(other.port(LUN)));
            assertEquals(List.of(), ours.keys());
            assertEquals(Optional.empty(), ours.held());

            ours.register(KEY_1);
            ours.register(KEY_1); // again does no harm
            assertEquals(List.of(KEY_1, KEY_1), ours.keys());
            ours.reserve(Reservations.WRITE_EXCLUSIVE_ALL_REGISTRANTS);
            int type = theirs.held().orElseThrow().type();
            assertEquals(Reservations.WRITE_EXCLUSIVE_ALL_REGISTRANTS, type);

            // Who has no key may read and not write, on each nexus for itself.
            assertFenced(new ControlLun(other, LUN));
            new ControlLun(second, LUN).write(0, new byte[512]);
            assertNewSessionsWrite((IscsiReservations) ours);

            theirs.register(KEY_2);
            new ControlLun(other, LUN).write(0, new byte[512]);
            theirs.preemptAndAbort(KEY_1);
            theirs.preemptAndAbort(KEY_1); // nothing is left to do
            assertEquals(List.of(KEY_2), theirs.keys());
            assertFenced(new ControlLun(first, LUN));
            assertFenced(new ControlLun(second, LUN));
            assertEquals(
                    ErrorCode.SR_NOT_WRITABLE,
                    assertThrows(StorageException.class, () -> ours.preemptAndAbort(KEY_2)).code());

            theirs.unregister();
            assertEquals(List.of(), theirs.keys());
            assertEquals(Optional.empty(), theirs.held());
            new ControlLun(first, LUN).write(0, new byte[512]);
        }
    }

    private static void assertFenced(ControlLun lun) {
        lun.read(0, 1);
        StorageException failure =
                assertThrows(StorageException.class, () -> lun.write(0, new byte[512]));
        assertEquals(ErrorCode.SR_NOT_WRITABLE, failure.code());
        assertTrue(failure.sentence().contains("conflict"), failure.sentence());
    }

    /** A session of a lane: it writes only once the key is registered through it. */
    private void assertNewSessionsWrite(IscsiReservations ours) throws Exception {
        Deadline deadline = Deadline.in(Clock.system(), 20_000);
        LoggedIn prepared = ours.prepare(connector.logIn(spec("host1", 0), deadline), deadline);
        byte[] cdb = new byte[dev.varve.sr.scsi.Cdb.BYTES];
        dev.varve.sr.scsi.Cdb.write(java.lang.foreign.MemorySegment.ofArray(cdb), 0, 0, 1, false);
        try (ControlConnection lane = new ControlConnection(prepared)) {
            assertTrue(lane.execute(LUN, cdb, new byte[512], 0, deadline).isGood());
        }
    }
}
