// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.session;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.iscsi.ChapSecrets;
import dev.varve.sr.iscsi.DigestChoice;
import dev.varve.sr.iscsi.FakeTarget;
import dev.varve.sr.iscsi.FakeTarget.Script;
import dev.varve.sr.iscsi.IscsiName;
import dev.varve.sr.iscsi.Isid;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.sr.iscsi.login.Connector;
import dev.varve.sr.iscsi.pdu.BasicHeader;
import dev.varve.sr.iscsi.pdu.DataIn;
import dev.varve.sr.iscsi.pdu.NopIn;
import dev.varve.sr.iscsi.pdu.Opcode;
import dev.varve.sr.iscsi.pdu.ReadyToTransfer;
import dev.varve.sr.scsi.Cdb;
import dev.varve.sr.scsi.Lun;
import dev.varve.sr.scsi.ScsiOutcome;
import dev.varve.sr.scsi.ScsiStatus;
import dev.varve.sr.scsi.Sense;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Commands at a target that fails, is busy, breaks off, or breaks the rules. */
class ControlSessionFaultsTest {
    private static final long LUN = Lun.bytes(1);
    private static final byte[] RESET = sense(Sense.UNIT_ATTENTION, 0x29, 0);
    private static final byte[] CONTENT =
            "twelve bytes".getBytes(java.nio.charset.StandardCharsets.US_ASCII);

    private static byte[] sense(int key, int code, int qualifier) {
        byte[] bytes = new byte[18];
        bytes[0] = 0x70;
        bytes[2] = (byte) key;
        bytes[7] = 10;
        bytes[12] = (byte) code;
        bytes[13] = (byte) qualifier;
        return bytes;
    }

    private static ControlSession session(FakeTarget target, DigestChoice digest, long millis) {
        SessionSpec spec =
                SessionSpec.of(
                                new IscsiName("iqn.2026-01.dev.varve:host1"),
                                new IscsiName("iqn.2026-01.dev.varve:target"),
                                new Isid(1, 2),
                                target.portal(),
                                ChapSecrets.NONE)
                        .digested(DigestChoice.NONE, digest);
        Connector connector = new Connector(RandomSource.of(new Random(1)));
        return new ControlSession(spec, connector, Clock.system(), millis);
    }

    private static byte[] read() {
        byte[] cdb = new byte[Cdb.BYTES];
        Cdb.inquiry(MemorySegment.ofArray(cdb), 0, 96);
        return cdb;
    }

    private static ScsiOutcome inquire(ControlSession session) {
        return session.execute(LUN, read(), new byte[0], 96);
    }

    @Test
    void whatPassesIsTriedAgain() throws IOException {
        Script script =
                peer -> {
                    peer.logIn();
                    peer.receive();
                    peer.respond(ScsiStatus.CHECK_CONDITION, RESET);
                    peer.receive();
                    peer.respond(ScsiStatus.BUSY, new byte[0]);
                    peer.receive();
                    peer.respond(ScsiStatus.TASK_SET_FULL, new byte[0]);
                    peer.receive();
                    peer.respond(CONTENT);
                    peer.receive();
                };
        try (FakeTarget target = new FakeTarget(script);
                ControlSession session = session(target, DigestChoice.NONE, 20_000)) {
            ScsiOutcome outcome = inquire(session);
            assertTrue(outcome.isGood());
            assertArrayEquals(CONTENT, outcome.data());
            assertEquals(1, session.losses());
        }
    }

    @Test
    void conflictsAndErrorsAreNotTriedAgain() throws IOException {
        Script script =
                peer -> {
                    peer.logIn();
                    peer.receive();
                    peer.respond(ScsiStatus.RESERVATION_CONFLICT, new byte[0]);
                    peer.receive();
                    peer.respond(ScsiStatus.CHECK_CONDITION, sense(Sense.MEDIUM_ERROR, 0x11, 0));
                    peer.receive();
                };
        try (FakeTarget target = new FakeTarget(script);
                ControlSession session = session(target, DigestChoice.NONE, 20_000)) {
            assertEquals(ScsiStatus.RESERVATION_CONFLICT, inquire(session).status());
            String words = inquire(session).words();
            assertEquals("medium error, it cannot be read (sense 3/11/00)", words);
        }
    }

    @Test
    void aTargetThatStaysBusyIsGivenUpAtTheDeadline() throws IOException {
        Script script =
                peer -> {
                    peer.logIn();
                    while (true) {
                        peer.receive();
                        peer.respond(ScsiStatus.BUSY, new byte[0]);
                    }
                };
        try (FakeTarget target = new FakeTarget(script);
                ControlSession session = session(target, DigestChoice.NONE, 700)) {
            assertEquals(ScsiStatus.BUSY, inquire(session).status());
        }
    }

    @Test
    void aCommandThatIsAbortedEachTimeIsGivenUp() throws IOException {
        AtomicInteger sent = new AtomicInteger();
        Script script =
                peer -> {
                    peer.logIn();
                    while (true) {
                        peer.receive();
                        sent.incrementAndGet();
                        byte[] aborted = sense(Sense.ABORTED_COMMAND, 0x47, 3);
                        peer.respond(ScsiStatus.CHECK_CONDITION, aborted);
                    }
                };
        try (FakeTarget target = new FakeTarget(script);
                ControlSession session = session(target, DigestChoice.NONE, 60_000)) {
            String words = inquire(session).words();
            assertEquals(8, sent.get());
            assertTrue(words.contains("(sense B/47/03)"), words);
        }
    }

    /** It asks for a sign of life, gets none as nobody uses the session, and ends it. */
    @Test
    void aSessionThatWasDroppedWhileNobodyUsedItIsMadeAnew() throws Exception {
        CountDownLatch dropped = new CountDownLatch(1);
        Script pings =
                peer -> {
                    peer.logIn();
                    peer.receive();
                    peer.respond(CONTENT);
                    peer.raw(ping());
                    peer.close();
                    dropped.countDown();
                };
        Script serves =
                peer -> {
                    peer.logIn();
                    peer.receive();
                    peer.respond(CONTENT);
                    peer.receive();
                };
        try (FakeTarget target = new FakeTarget(pings, serves);
                ControlSession session = session(target, DigestChoice.NONE, 20_000)) {
            assertTrue(inquire(session).isGood());
            assertTrue(dropped.await(20, TimeUnit.SECONDS));
            assertArrayEquals(CONTENT, inquire(session).data());
            assertEquals(1, session.losses());
            assertEquals(List.of(), target.failures());
        }
    }

    private static byte[] ping() {
        byte[] pdu = new byte[BasicHeader.BYTES];
        NopIn view = new NopIn();
        view.wrap(MemorySegment.ofArray(pdu), 0);
        view.begin();
        view.setTargetTransferTag(77);
        view.setExpectedCommandNumber(1);
        view.setMaximumCommandNumber(1000);
        return pdu;
    }

    /** Only after the second login, which ended the first session, the command is sent again. */
    @Test
    void aCommandWithoutStatusIsRepeatedAfterANewLogin() throws IOException {
        List<String> seen = Collections.synchronizedList(new ArrayList<>());
        Script breaks =
                peer -> {
                    peer.logIn();
                    peer.receive();
                    seen.add("first " + peer.command().cdbByte(0));
                };
        Script serves =
                peer -> {
                    peer.logIn();
                    seen.add("login");
                    peer.receive();
                    seen.add("again " + peer.command().cdbByte(0));
                    peer.respond(CONTENT);
                    peer.receive();
                };
        try (FakeTarget target = new FakeTarget(breaks, serves);
                ControlSession session = session(target, DigestChoice.NONE, 20_000)) {
            assertTrue(inquire(session).isGood());
            assertEquals(List.of("first 18", "login", "again 18"), seen);
            assertEquals(1, session.losses());
        }
    }

    /** Each of these ends the connection; the next one serves. */
    @Test
    void targetsThatBreakTheRulesLoseTheirConnection() throws IOException {
        List<Script> wrong =
                List.of(
                        peer -> dataIn(peer, 0, 7, CONTENT), // at a place that is not the next
                        peer -> dataIn(peer, 0, 0, new byte[97]), // more than was asked for
                        peer -> dataIn(peer, 1234, 0, CONTENT), // of a task that there is not
                        ControlSessionFaultsTest::askForData,
                        peer -> peer.raw(header(0x3E)),
                        peer -> peer.raw(header(Opcode.REJECT)),
                        peer -> peer.raw(header(Opcode.LOGIN_RESPONSE)),
                        peer -> peer.raw(tooLong()));
        for (Script each : wrong) {
            Script first =
                    peer -> {
                        peer.logIn();
                        peer.receive();
                        each.run(peer);
                        peer.receive();
                    };
            Script second =
                    peer -> {
                        peer.logIn();
                        peer.receive();
                        peer.respond(CONTENT);
                        peer.receive();
                    };
            try (FakeTarget target = new FakeTarget(first, second);
                    ControlSession session = session(target, DigestChoice.NONE, 20_000)) {
                assertArrayEquals(CONTENT, inquire(session).data());
                assertEquals(1, session.losses(), "the first connection was kept");
                assertEquals(List.of(), target.failures());
            }
        }
    }

    private static void dataIn(FakeTarget.Peer peer, int tagOffset, int place, byte[] content)
            throws IOException {
        MemorySegment pdu = MemorySegment.ofArray(new byte[BasicHeader.BYTES]);
        DataIn view = new DataIn();
        view.wrap(pdu, 0);
        view.begin();
        view.setInitiatorTaskTag(peer.command().initiatorTaskTag() + tagOffset);
        view.setBufferOffset(place);
        peer.send(view, pdu, content);
    }

    private static void askForData(FakeTarget.Peer peer) throws IOException {
        MemorySegment pdu = MemorySegment.ofArray(new byte[BasicHeader.BYTES]);
        ReadyToTransfer view = new ReadyToTransfer();
        view.wrap(pdu, 0);
        view.begin();
        view.setInitiatorTaskTag(peer.command().initiatorTaskTag());
        view.setDesiredBytes(512); // of a command that has nothing to send
        peer.send(view, pdu, new byte[0]);
    }

    private static byte[] header(int opcode) {
        byte[] bytes = new byte[BasicHeader.BYTES];
        bytes[0] = (byte) opcode;
        return bytes;
    }

    private static byte[] tooLong() {
        byte[] bytes = header(Opcode.DATA_IN);
        bytes[5] = (byte) 0xFF;
        return bytes;
    }

    @Test
    void dataWithAWrongDigestAreNotTaken() throws IOException {
        Script wrong =
                peer -> {
                    peer.logIn("DataDigest=CRC32C");
                    peer.receive();
                    peer.respond(CONTENT);
                    peer.raw(new byte[] {1, 2, 3, 4});
                    peer.receive();
                };
        Script right =
                peer -> {
                    peer.logIn("DataDigest=CRC32C");
                    peer.receive();
                    peer.respond(CONTENT);
                    java.util.zip.CRC32C crc = new java.util.zip.CRC32C();
                    crc.update(CONTENT);
                    peer.raw(
                            java.nio.ByteBuffer.allocate(4)
                                    .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                                    .putInt((int) crc.getValue())
                                    .array());
                    peer.receive();
                };
        try (FakeTarget target = new FakeTarget(wrong, right);
                ControlSession session = session(target, DigestChoice.REQUIRED, 20_000)) {
            assertArrayEquals(CONTENT, inquire(session).data());
            assertEquals(1, session.losses());
        }
    }

    @Test
    void aTargetThatAsksForASignOfLifeGetsOne() throws IOException {
        int[] answered = new int[1];
        Script script =
                peer -> {
                    peer.logIn();
                    peer.receive();
                    MemorySegment pdu = MemorySegment.ofArray(new byte[BasicHeader.BYTES]);
                    NopIn view = new NopIn();
                    view.wrap(pdu, 0);
                    view.begin();
                    view.setTargetTransferTag(77);
                    int tag = peer.command().initiatorTaskTag();
                    peer.send(view, pdu, new byte[0]);
                    byte[] answer = peer.receive();
                    answered[0] = java.nio.ByteBuffer.wrap(answer).getInt(20);
                    java.nio.ByteBuffer.wrap(answer).putInt(16, tag); // as the command had it
                    peer.respond(CONTENT);
                    peer.receive();
                };
        try (FakeTarget target = new FakeTarget(script);
                ControlSession session = session(target, DigestChoice.NONE, 20_000)) {
            assertArrayEquals(CONTENT, inquire(session).data());
            assertEquals(77, answered[0]);
            assertEquals(0, session.losses());
        }
    }

    @Test
    void aTargetThatIsAwayIsToldAtTheDeadline() throws IOException {
        FakeTarget target = new FakeTarget();
        target.close();
        try (ControlSession session = session(target, DigestChoice.NONE, 300)) {
            StorageException failure = assertThrows(StorageException.class, () -> inquire(session));
            assertEquals(ErrorCode.SR_UNAVAILABLE, failure.code());
        }
    }
}
