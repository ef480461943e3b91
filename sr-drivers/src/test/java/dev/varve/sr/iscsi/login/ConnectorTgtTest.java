// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.iscsi.ChapSecrets;
import dev.varve.sr.iscsi.ChapSecrets.Secret;
import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.DigestChoice;
import dev.varve.sr.iscsi.IscsiName;
import dev.varve.sr.iscsi.Isid;
import dev.varve.sr.iscsi.LoggedIn;
import dev.varve.sr.iscsi.Portal;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.sr.iscsi.TgtServer;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.nio.file.Path;
import java.util.List;

/** Logins at a target of tgt. */
@Tag("real")
class ConnectorTgtTest {
    private static final IscsiName INITIATOR = new IscsiName("iqn.2026-01.dev.varve:host1");
    private static final String OPEN = "iqn.2026-01.dev.varve:open";
    private static final String CHAP = "iqn.2026-01.dev.varve:chap";
    private static final String MUTUAL = "iqn.2026-01.dev.varve:mutual";
    private static final String DIGESTS = "iqn.2026-01.dev.varve:digests";
    private static final String LOCKED = "iqn.2026-01.dev.varve:locked";

    @TempDir static Path directory;
    private static TgtServer server;
    private final Connector connector = new Connector(RandomSource.secure());

    @BeforeAll
    static void startServer() throws Exception {
        server = TgtServer.start(directory, 1);
        server.addTarget(1, OPEN);
        server.addTarget(2, CHAP);
        server.addAccount(2, "initiator", "secret-of-initiator");
        server.addTarget(3, MUTUAL);
        server.addAccount(3, "other", "secret-of-other");
        server.addOutgoingAccount(3, "target", "secret-of-target");
        server.addTarget(5, DIGESTS);
        server.setTarget(5, "HeaderDigest", "CRC32C");
        server.setTarget(5, "DataDigest", "CRC32C");
        server.addTargetFor(4, LOCKED, "iqn.2026-01.dev.varve:host2");
    }

    @AfterAll
    static void stopServer() throws Exception {
        if (server != null) {
            server.close();
        }
    }

    private static SessionSpec spec(String target, ChapSecrets chap) {
        Isid isid = Isid.random(RandomSource.secure());
        return SessionSpec.of(INITIATOR, new IscsiName(target), isid, server.portal(), chap);
    }

    private LoggedIn logIn(SessionSpec spec) {
        return connector.logIn(spec, Deadline.in(Clock.system(), 10_000));
    }

    private StorageException refused(String target, ChapSecrets chap) {
        return assertThrows(StorageException.class, () -> logIn(spec(target, chap)).close());
    }

    @Test
    void logsInWithoutSecretsAndNegotiates() {
        try (LoggedIn session = logIn(spec(OPEN, ChapSecrets.NONE))) {
            assertTrue(session.tsih() != 0);
            assertEquals(256 << 10, session.negotiated().receiveBytes());
            assertTrue(session.negotiated().sendBytes() >= 8192, session::toString);
            assertTrue(session.negotiated().immediateData());
            assertFalse(session.negotiated().headerDigest());
        }
    }

    @Test
    void agreesOnDigests() {
        SessionSpec wanted =
                spec(DIGESTS, ChapSecrets.NONE)
                        .digested(DigestChoice.REQUIRED, DigestChoice.PREFERRED);
        try (LoggedIn session = logIn(wanted)) {
            assertTrue(session.negotiated().headerDigest());
            assertTrue(session.negotiated().dataDigest());
        }
    }

    @Test
    void aTargetWithoutDigestsIsRefusedOnlyWhereTheyAreRequired() {
        SessionSpec spec = spec(OPEN, ChapSecrets.NONE);
        try (LoggedIn session =
                logIn(spec.digested(DigestChoice.PREFERRED, DigestChoice.PREFERRED))) {
            assertFalse(session.negotiated().headerDigest());
        }
        SessionSpec strict = spec.digested(DigestChoice.REQUIRED, DigestChoice.NONE);
        StorageException refusal =
                assertThrows(StorageException.class, () -> logIn(strict).close());
        assertEquals(ErrorCode.ISCSI_LOGIN, refusal.code());
    }

    @Test
    void showsWhoWeAre() {
        logIn(spec(CHAP, ChapSecrets.oneWay("initiator", "secret-of-initiator"))).close();
    }

    @Test
    void aTargetThatAsksNobodyIsFineWithASecret() {
        logIn(spec(OPEN, ChapSecrets.oneWay("initiator", "secret-of-initiator"))).close();
    }

    @Test
    void wrongAndMissingSecretsAreRefused() {
        StorageException wrong = refused(CHAP, ChapSecrets.oneWay("initiator", "wrong-secret"));
        assertEquals(ErrorCode.ISCSI_LOGIN, wrong.code());
        assertTrue(wrong.sentence().contains("CHAP"), wrong.sentence());
        assertEquals(ErrorCode.ISCSI_LOGIN, refused(CHAP, ChapSecrets.NONE).code());
    }

    @Test
    void targetShowsWhoItIs() {
        Secret own = new Secret("other", "secret-of-other");
        logIn(spec(MUTUAL, ChapSecrets.mutual(own, new Secret("target", "secret-of-target"))))
                .close();
        for (Secret bad :
                List.of(new Secret("target", "not-it"), new Secret("nobody", "secret-of-target"))) {
            StorageException refusal = refused(MUTUAL, ChapSecrets.mutual(own, bad));
            assertEquals(ErrorCode.ISCSI_LOGIN, refusal.code());
            assertTrue(refusal.sentence().contains("has not shown"), refusal.sentence());
        }
    }

    @Test
    void targetsThatAreNotThereOrNotForUsAreRefused() {
        for (String target : List.of(LOCKED, "iqn.2026-01.dev.varve:nothing")) {
            StorageException refusal = refused(target, ChapSecrets.NONE);
            assertEquals(ErrorCode.ISCSI_LOGIN, refusal.code());
            assertTrue(refusal.sentence().contains("no such target"), refusal.sentence());
        }
    }

    @Test
    void nobodyListens() {
        SessionSpec spec = spec(OPEN, ChapSecrets.NONE).at(new Portal("127.0.0.3", 1));
        StorageException refusal = assertThrows(StorageException.class, () -> logIn(spec).close());
        assertEquals(ErrorCode.ISCSI_TARGET, refusal.code());
        assertTrue(refusal.sentence().contains("ECONNREFUSED"), refusal.sentence());
    }

    @Test
    void aNameThatCannotBeResolved() {
        SessionSpec spec = spec(OPEN, ChapSecrets.NONE).at(new Portal("nowhere.invalid", 3260));
        StorageException refusal = assertThrows(StorageException.class, () -> logIn(spec).close());
        assertEquals(ErrorCode.DNS_ERROR, refusal.code());
    }
}
