// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.LoggedIn;
import dev.varve.sr.iscsi.Negotiated;
import dev.varve.sr.iscsi.Portal;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.sr.iscsi.wire.ConnectionLostException;
import dev.varve.sr.iscsi.wire.PduChannel;
import dev.varve.sr.iscsi.wire.TcpSocket;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.RandomSource;

import java.util.Optional;

/**
 * Connects to portals and logs in.
 *
 * <p>Every login asks for a new session (TSIH 0). Where the target still has one of the same
 * initiator, ISID and portal group, it ends that one and all its tasks first (session
 * reinstatement, RFC 7143 6.3.5): when the login has succeeded, nothing of the old session is
 * carried out any more.
 *
 * <p><b>Threads:</b> any platform thread that may wait; calls do not disturb each other.
 *
 * <p><b>Errors:</b> DNS_ERROR when a name cannot be resolved; ISCSI_TARGET when the target does not
 * answer, breaks off, breaks the rules or cannot serve us now, which may be otherwise later;
 * ISCSI_LOGIN when it refuses us, or we it, which will stay so.
 */
public final class Connector {
    private static final int MAX_REDIRECTS = 8;

    private final RandomSource random;
    private final OpenChallenges challenges = new OpenChallenges();

    /** With a source of challenges. */
    public Connector(RandomSource random) {
        this.random = random;
    }

    /** Logs in, following redirects. */
    public LoggedIn logIn(SessionSpec spec, Deadline deadline) {
        SessionSpec at = spec;
        for (int redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
            Attempt attempt = attempt(at, deadline);
            if (attempt.session.isPresent()) {
                return attempt.session.get();
            }
            at = at.at(attempt.elsewhere);
        }
        throw ErrorCode.ISCSI_TARGET.because(
                "%s sends us from portal to portal, lastly to %s"
                        .formatted(spec.name(), at.portal()));
    }

    /** What came of one connection: a session, or another place to ask. */
    private record Attempt(Optional<LoggedIn> session, Portal elsewhere) {}

    private Attempt attempt(SessionSpec spec, Deadline deadline) {
        try (PduChannel channel = open(spec.portal(), deadline)) {
            return new Login(channel, spec, deadline).run();
        } catch (ConnectionLostException | LoginProtocolException e) {
            throw ErrorCode.ISCSI_TARGET.because(
                    "cannot log in to %s: %s".formatted(spec.name(), e.getMessage()), e);
        }
    }

    static PduChannel open(Portal portal, Deadline deadline) throws ConnectionLostException {
        TcpSocket socket = TcpSocket.connect(portal, deadline);
        return new PduChannel(socket, LoginConversation.MAX_DATA_BYTES);
    }

    /** One login on one connection. */
    private final class Login {
        private final PduChannel channel;
        private final SessionSpec spec;
        private final LoginConversation conversation;
        private final Negotiation negotiation;

        Login(PduChannel channel, SessionSpec spec, Deadline deadline) {
            this.channel = channel;
            this.spec = spec;
            this.conversation = new LoginConversation(channel, spec.isid(), deadline);
            this.negotiation = new Negotiation(spec);
        }

        Attempt run() throws ConnectionLostException, LoginProtocolException {
            TextKeys identity =
                    new TextKeys()
                            .put("InitiatorName", spec.initiator().value())
                            .put("TargetName", spec.target().value())
                            .put("SessionType", "Normal");
            TextKeys answer = security(identity);
            if (LoginStatus.isSuccess(status())) {
                negotiation.take(answer);
                answer = negotiate();
            }
            if (LoginStatus.isRedirection(status())) {
                return new Attempt(Optional.empty(), elsewhere(answer.require("TargetAddress")));
            }
            if (!LoginStatus.isSuccess(status())) {
                throw LoginStatus.refusal(status(), spec.name());
            }
            return new Attempt(Optional.of(session(negotiation.result())), spec.portal());
        }

        private Portal elsewhere(String address) throws LoginProtocolException {
            try {
                return Portal.parse(address);
            } catch (StorageException e) {
                throw new LoginProtocolException("it sends us to a portal that is none", e);
            }
        }

        private TextKeys security(TextKeys identity)
                throws ConnectionLostException, LoginProtocolException {
            return new SecurityStage(conversation, spec.chap(), random, challenges, spec.name())
                    .run(identity);
        }

        private TextKeys negotiate() throws ConnectionLostException, LoginProtocolException {
            TextKeys keys = negotiation.offer();
            TextKeys answer;
            do {
                answer =
                        conversation.exchange(
                                keys, LoginRequest.OPERATIONAL, LoginRequest.FULL_FEATURE);
                if (!LoginStatus.isSuccess(status())) {
                    return answer;
                }
                keys = negotiation.take(answer);
            } while (!conversation.last().transit());
            return answer;
        }

        private int status() {
            return conversation.last().status();
        }

        private LoggedIn session(Negotiated negotiated) throws LoginProtocolException {
            LoginAnswer last = conversation.last();
            if (last.tsih() == 0) {
                throw new LoginProtocolException("it gave the session no name");
            }
            return new LoggedIn(
                    channel.socket().release(),
                    negotiated,
                    spec.isid(),
                    last.tsih(),
                    spec.portal(),
                    0,
                    conversation.commandNumber(),
                    last.statusNumber() + 1,
                    last.expectedCommandNumber(),
                    last.maximumCommandNumber());
        }
    }
}
