// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.iscsi.ChapSecrets;
import dev.varve.sr.iscsi.ChapSecrets.Secret;
import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.FakeTarget;
import dev.varve.sr.iscsi.FakeTarget.Script;
import dev.varve.sr.iscsi.IscsiName;
import dev.varve.sr.iscsi.Isid;
import dev.varve.sr.iscsi.LoggedIn;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Logins at a target that does wrong things, or right ones that tgt does not do. */
class ConnectorFaultsTest {
    private static final long PATIENCE_MILLIS = 20_000;
    private static final ChapSecrets MUTUAL =
            ChapSecrets.mutual(new Secret("us", "our-secret"), new Secret("it", "its-secret"));

    private final Connector connector = new Connector(RandomSource.of(new Random(1)));

    private SessionSpec spec(FakeTarget target, ChapSecrets chap) {
        return SessionSpec.of(
                new IscsiName("iqn.2026-01.dev.varve:host1"),
                new IscsiName("iqn.2026-01.dev.varve:target"),
                new Isid(0xABCDEF, 0xFEDC),
                target.portal(),
                chap);
    }

    private StorageException refused(Script script, ChapSecrets chap, long millis)
            throws IOException {
        try (FakeTarget target = new FakeTarget(script)) {
            StorageException failure =
                    assertThrows(
                            StorageException.class,
                            () ->
                                    connector
                                            .logIn(
                                                    spec(target, chap),
                                                    Deadline.in(Clock.system(), millis))
                                            .close());
            assertEquals(List.of(), target.failures());
            return failure;
        }
    }

    private void assertTargetFault(Script script, String words) throws IOException {
        StorageException failure = refused(script, ChapSecrets.NONE, PATIENCE_MILLIS);
        assertEquals(ErrorCode.ISCSI_TARGET, failure.code());
        assertTrue(failure.sentence().contains(words), failure.sentence());
    }

    @Test
    void aConnectionThatBreaksAtAnyStepIsTold() throws IOException {
        assertTargetFault(peer -> {}, "connection");
        assertTargetFault(peer -> peer.receive(), "closed by the target");
        assertTargetFault(
                peer -> {
                    peer.receive();
                    peer.raw(Arrays.copyOf(peer.loginAnswer(0x81, 0, "AuthMethod=None"), 50));
                },
                "closed by the target");
        assertTargetFault(
                peer -> {
                    peer.receive();
                    peer.raw(peer.loginAnswer(0x81, 0, "AuthMethod=None"));
                    peer.receive();
                },
                "closed by the target");
    }

    @Test
    void silenceEndsWithTheDeadline() throws IOException {
        Script silent =
                peer -> {
                    peer.receive();
                    peer.receive(); // which never comes
                };
        StorageException failure = refused(silent, ChapSecrets.NONE, 300);
        assertEquals(ErrorCode.ISCSI_TARGET, failure.code());
        assertTrue(failure.sentence().contains("no answer in time"), failure.sentence());
    }

    @Test
    void answersThatBreakTheRulesAreRefused() throws IOException {
        assertTargetFault(
                peer -> {
                    peer.receive();
                    byte[] bytes = peer.loginAnswer(0x81, 0);
                    bytes[0] = 0x3F;
                    peer.raw(bytes);
                },
                "not one to what was asked");
        assertTargetFault(
                peer -> {
                    peer.receive();
                    byte[] bytes = peer.loginAnswer(0x81, 0);
                    bytes[5] = (byte) 0xFF; // a data segment of 16 MiB
                    peer.raw(bytes);
                },
                "more than the 8192");
        assertTargetFault(
                peer -> {
                    peer.receive();
                    peer.raw(peer.loginAnswer(0x83, 0)); // full feature, which was not asked for
                },
                "a stage that was not asked for");
        assertTargetFault(
                peer -> {
                    peer.receive();
                    peer.raw(peer.loginAnswer(0x81, 0, "no key at all"));
                },
                "not key=value");
        assertTargetFault(
                peer -> {
                    while (true) {
                        peer.receive();
                        peer.raw(peer.loginAnswer(0x40, 0, "AuthMethod=None"));
                    }
                },
                "no end of the login");
    }

    @Test
    void keysThatCannotBeAreRefused() throws IOException {
        Map<String, String> wrong =
                Map.of(
                        "MaxBurstLength=0", "MaxBurstLength",
                        "MaxRecvDataSegmentLength=-5", "MaxRecvDataSegmentLength",
                        "FirstBurstLength=99999999999999", "FirstBurstLength",
                        "HeaderDigest=CRC32C", "HeaderDigest",
                        "InitialR2T=Perhaps", "InitialR2T",
                        "ErrorRecoveryLevel=2", "ErrorRecoveryLevel");
        for (Map.Entry<String, String> each : wrong.entrySet()) {
            assertTargetFault(peer -> peer.logIn(each.getKey()), each.getValue());
        }
    }

    @Test
    void reasonsOfRefusalAreTold() throws IOException {
        Map<Integer, ErrorCode> reasons =
                Map.of(
                        0x0201, ErrorCode.ISCSI_LOGIN,
                        0x0202, ErrorCode.ISCSI_LOGIN,
                        0x0203, ErrorCode.ISCSI_LOGIN,
                        0x02FE, ErrorCode.ISCSI_LOGIN,
                        0x0301, ErrorCode.ISCSI_TARGET,
                        0x0302, ErrorCode.ISCSI_TARGET);
        for (Map.Entry<Integer, ErrorCode> each : reasons.entrySet()) {
            Script script =
                    peer -> {
                        peer.receive();
                        peer.raw(peer.loginAnswer(0, each.getKey()));
                    };
            StorageException failure = refused(script, ChapSecrets.NONE, PATIENCE_MILLIS);
            assertEquals(each.getValue(), failure.code());
            assertTrue(failure.sentence().contains("%04X".formatted(each.getKey())));
        }
    }

    @Test
    void redirectsAreFollowed() throws IOException {
        try (FakeTarget real = new FakeTarget(peer -> peer.logIn());
                FakeTarget first =
                        new FakeTarget(
                                peer -> {
                                    peer.receive();
                                    String address = "TargetAddress=" + real.portal() + ",1";
                                    peer.raw(peer.loginAnswer(0, 0x0101, address));
                                })) {
            Deadline deadline = Deadline.in(Clock.system(), PATIENCE_MILLIS);
            try (LoggedIn session = connector.logIn(spec(first, ChapSecrets.NONE), deadline)) {
                assertEquals(real.portal(), session.portal());
                assertEquals(7, session.tsih());
            }
        }
    }

    @Test
    void redirectsThatGoRoundAndRoundEnd() throws IOException {
        FakeTarget[] self = new FakeTarget[1];
        Script again =
                peer -> {
                    peer.receive();
                    String address = "TargetAddress=" + self[0].portal();
                    peer.raw(peer.loginAnswer(0, 0x0102, address));
                };
        Script[] scripts = new Script[20];
        Arrays.fill(scripts, again);
        try (FakeTarget target = new FakeTarget(scripts)) {
            self[0] = target;
            Deadline deadline = Deadline.in(Clock.system(), PATIENCE_MILLIS);
            StorageException failure =
                    assertThrows(
                            StorageException.class,
                            () ->
                                    connector
                                            .logIn(spec(target, ChapSecrets.NONE), deadline)
                                            .close());
            assertEquals(ErrorCode.ISCSI_TARGET, failure.code());
            assertTrue(failure.sentence().contains("portal to portal"), failure.sentence());
        }
    }

    @Test
    void aLongAnswerMayComeInPartsAndKeysThatWeDoNotKnowAreAnswered() throws IOException {
        String[] seen = new String[1];
        Script script =
                peer -> {
                    peer.receive();
                    assertEquals((byte) 0xAB, peer.byteAt(9), "ISID");
                    peer.raw(peer.loginAnswer(0x81, 0, "AuthMethod=None"));
                    peer.receive();
                    peer.raw(peer.loginAnswer(0x44, 0, "MaxBurstLength=4096"));
                    peer.receive();
                    peer.raw(peer.loginAnswer(0x04, 0, "X-com.example.thing=5"));
                    peer.receive();
                    seen[0] = peer.text();
                    peer.raw(peer.loginAnswer(0x87, 0, "InitialR2T=No"));
                };
        try (FakeTarget target = new FakeTarget(script)) {
            Deadline deadline = Deadline.in(Clock.system(), PATIENCE_MILLIS);
            try (LoggedIn session = connector.logIn(spec(target, ChapSecrets.NONE), deadline)) {
                assertEquals(4096, session.negotiated().maxBurstBytes());
                assertEquals(4096, session.negotiated().firstBurstBytes());
                assertFalse(session.negotiated().initialR2t());
                assertEquals(8192, session.negotiated().sendBytes());
            }
            assertEquals(List.of(), target.failures());
        }
        assertEquals("X-com.example.thing=NotUnderstood\n", seen[0]);
    }

    /**
     * The part of a target up to our answer to its challenge; gives that answer, CHAP_C and CHAP_I.
     */
    private static Map<String, String> challenge(FakeTarget.Peer peer) throws IOException {
        peer.receive();
        assertTrue(peer.text().contains("AuthMethod=CHAP\n"), peer.text());
        peer.raw(peer.loginAnswer(0x00, 0, "AuthMethod=CHAP"));
        peer.receive();
        assertEquals("CHAP_A=5\n", peer.text());
        peer.raw(peer.loginAnswer(0x00, 0, "CHAP_A=5", "CHAP_I=9", "CHAP_C=0x0102030405"));
        peer.receive();
        Map<String, String> keys = new java.util.HashMap<>();
        for (String line : peer.text().split("\n", -1)) {
            int equals = line.indexOf('=');
            if (equals > 0) {
                keys.put(line.substring(0, equals), line.substring(equals + 1));
            }
        }
        return keys;
    }

    @Test
    void aTargetThatKnowsItsSecretIsBelieved() throws IOException {
        Script script =
                peer -> {
                    Map<String, String> keys = challenge(peer);
                    byte[] right =
                            Chap.response(
                                    Integer.parseInt(keys.get("CHAP_I")),
                                    new Secret("it", "its-secret"),
                                    java.util.HexFormat.of()
                                            .parseHex(keys.get("CHAP_C").substring(2)));
                    peer.raw(
                            peer.loginAnswer(0x81, 0, "CHAP_N=it", "CHAP_R=" + Chap.encode(right)));
                    peer.receive();
                    peer.raw(peer.loginAnswer(0x87, 0));
                };
        try (FakeTarget target = new FakeTarget(script)) {
            Deadline deadline = Deadline.in(Clock.system(), PATIENCE_MILLIS);
            connector.logIn(spec(target, MUTUAL), deadline).close();
            assertEquals(List.of(), target.failures());
        }
    }

    @Test
    void impostorsAreRefused() throws IOException {
        Map<String, Script> scripts =
                Map.of(
                        "our own answer",
                        peer -> {
                            String ours = challenge(peer).get("CHAP_R");
                            peer.raw(peer.loginAnswer(0x81, 0, "CHAP_N=it", "CHAP_R=" + ours));
                        },
                        "does not answer",
                        peer -> {
                            challenge(peer);
                            peer.raw(peer.loginAnswer(0x81, 0));
                        },
                        "secret of CHAP is wrong",
                        peer -> {
                            challenge(peer);
                            peer.raw(peer.loginAnswer(0x81, 0, "CHAP_N=it", "CHAP_R=0x00"));
                        },
                        "we offer CHAP",
                        peer -> {
                            peer.receive();
                            peer.raw(peer.loginAnswer(0x00, 0, "AuthMethod=None"));
                        });
        for (Map.Entry<String, Script> each : scripts.entrySet()) {
            StorageException failure = refused(each.getValue(), MUTUAL, PATIENCE_MILLIS);
            assertEquals(ErrorCode.ISCSI_LOGIN, failure.code());
            assertTrue(failure.sentence().contains(each.getKey()), failure.sentence());
        }
    }

    /** Whoever gets our challenge, and sends it to us in another login, wants us to answer it. */
    @Test
    void aChallengeOfOurOwnIsNotAnswered() throws IOException {
        String[] answer = new String[1];
        StorageException[] inner = new StorageException[1];
        try (FakeTarget target = new FakeTarget(reflecting(answer, inner))) {
            Deadline deadline = Deadline.in(Clock.system(), PATIENCE_MILLIS);
            assertThrows(
                    StorageException.class,
                    () -> connector.logIn(spec(target, MUTUAL), deadline).close());
            assertEquals(List.of(), target.failures());
        }
        assertEquals(ErrorCode.ISCSI_LOGIN, inner[0].code());
        assertTrue(inner[0].sentence().contains("a challenge of our own"), inner[0].sentence());
    }

    /** A target that has a second login of ours find the answer that it needs in the first one. */
    private Script reflecting(String[] answer, StorageException[] inner) {
        return peer -> {
            Map<String, String> keys = challenge(peer);
            String ours = keys.get("CHAP_C");
            Script second =
                    other -> {
                        other.receive();
                        other.raw(other.loginAnswer(0x00, 0, "AuthMethod=CHAP"));
                        other.receive();
                        other.raw(
                                other.loginAnswer(
                                        0x00, 0, "CHAP_A=5", "CHAP_I=3", "CHAP_C=" + ours));
                        other.receive();
                        answer[0] = other.text();
                    };
            inner[0] = refused(second, MUTUAL, PATIENCE_MILLIS);
            peer.raw(peer.loginAnswer(0x81, 0, "CHAP_N=it", "CHAP_R=0x01"));
        };
    }
}
