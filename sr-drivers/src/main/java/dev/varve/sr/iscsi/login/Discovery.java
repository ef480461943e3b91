// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import dev.varve.sr.iscsi.ChapSecrets;
import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.IscsiName;
import dev.varve.sr.iscsi.Isid;
import dev.varve.sr.iscsi.Portal;
import dev.varve.sr.iscsi.pdu.BasicHeader;
import dev.varve.sr.iscsi.wire.ConnectionLostException;
import dev.varve.sr.iscsi.wire.PduChannel;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.RandomSource;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/**
 * Asks a portal what targets there are (SendTargets, RFC 7143 appendix C), in a session of its own.
 *
 * <p><b>Threads:</b> any platform thread that may wait.
 *
 * <p><b>Errors:</b> as {@link Connector}; ISCSI_DISCOVERY when the list does not hold together.
 */
public final class Discovery {
    private static final int MAX_PARTS = 256;
    private static final int TASK_TAG = 2;

    private final RandomSource random;
    private final OpenChallenges challenges = new OpenChallenges();

    /** With a source of challenges and session names. */
    public Discovery(RandomSource random) {
        this.random = random;
    }

    /**
     * A place where a target can be reached.
     *
     * @param portal the address
     * @param group its portal group tag, or -1 when none was told
     */
    public record Address(Portal portal, int group) {}

    /**
     * A target.
     *
     * @param name its name
     * @param addresses where it can be reached; the portal that was asked when the target told none
     */
    public record Target(IscsiName name, List<Address> addresses) {}

    /** The targets that a portal shows to an initiator, in its order. */
    public List<Target> sendTargets(
            Portal portal, IscsiName initiator, ChapSecrets chap, Deadline deadline) {
        try (PduChannel channel = Connector.open(portal, deadline)) {
            return new Conversation(channel, portal, deadline).run(initiator, chap);
        } catch (ConnectionLostException e) {
            throw ErrorCode.ISCSI_TARGET.because(
                    "cannot ask %s for its targets: %s".formatted(portal, e.getMessage()), e);
        } catch (LoginProtocolException e) {
            throw ErrorCode.ISCSI_DISCOVERY.because(
                    "cannot ask %s for its targets: %s".formatted(portal, e.getMessage()), e);
        }
    }

    /** One session of discovery. */
    private final class Conversation {
        private final PduChannel channel;
        private final Portal portal;
        private final Deadline deadline;
        private final LoginConversation login;

        Conversation(PduChannel channel, Portal portal, Deadline deadline) {
            this.channel = channel;
            this.portal = portal;
            this.deadline = deadline;
            this.login = new LoginConversation(channel, Isid.random(random), deadline);
        }

        List<Target> run(IscsiName initiator, ChapSecrets chap)
                throws ConnectionLostException, LoginProtocolException {
            logIn(initiator, chap);
            return parse(ask(new TextKeys().put("SendTargets", "All").encode()));
        }

        private void logIn(IscsiName initiator, ChapSecrets chap)
                throws ConnectionLostException, LoginProtocolException {
            TextKeys identity =
                    new TextKeys()
                            .put("InitiatorName", initiator.value())
                            .put("SessionType", "Discovery");
            String name = "the discovery at " + portal;
            new SecurityStage(login, chap, random, challenges, name).run(identity);
            TextKeys offer =
                    new TextKeys()
                            .put("HeaderDigest", "None")
                            .put("DataDigest", "None")
                            .put("MaxRecvDataSegmentLength", LoginConversation.MAX_DATA_BYTES);
            while (LoginStatus.isSuccess(login.last().status()) && !isFullFeature()) {
                login.exchange(offer, LoginRequest.OPERATIONAL, LoginRequest.FULL_FEATURE);
                offer = new TextKeys();
            }
            if (!LoginStatus.isSuccess(login.last().status())) {
                throw LoginStatus.refusal(login.last().status(), name);
            }
        }

        private boolean isFullFeature() {
            LoginAnswer last = login.last();
            return last.transit() && last.nextStage() == LoginRequest.FULL_FEATURE;
        }

        private TextKeys ask(byte[] question)
                throws ConnectionLostException, LoginProtocolException {
            ByteArrayOutputStream keys = new ByteArrayOutputStream();
            int transferTag = BasicHeader.NO_TAG;
            int expectedStatus = login.last().statusNumber() + 1;
            byte[] data = question;
            for (int part = 0; part < MAX_PARTS; part++) {
                byte[] request =
                        LoginCodec.encodeText(
                                TASK_TAG, transferTag, login.commandNumber(), expectedStatus, data);
                Pdus.send(channel, request, deadline);
                TextAnswer answer = receive();
                keys.writeBytes(answer.data());
                if (answer.complete()) {
                    return TextKeys.parse(keys.toByteArray());
                }
                if (keys.size() > TextKeys.MAX_BYTES) {
                    break;
                }
                transferTag = answer.transferTag();
                expectedStatus = answer.statusNumber() + 1;
                data = new byte[0];
            }
            throw new LoginProtocolException("its list comes to no end");
        }

        private TextAnswer receive() throws ConnectionLostException, LoginProtocolException {
            int tag = channel.receive(deadline).initiatorTaskTag();
            byte[] header =
                    channel.header().asSlice(0, BasicHeader.BYTES).toArray(ValueLayout.JAVA_BYTE);
            byte[] data = channel.data().toArray(ValueLayout.JAVA_BYTE);
            TextAnswer answer = LoginCodec.decodeText(header, data);
            if (tag != TASK_TAG) {
                throw new LoginProtocolException("its answer is not one to what was asked");
            }
            return answer;
        }

        private List<Target> parse(TextKeys keys) throws LoginProtocolException {
            List<Target> targets = new ArrayList<>();
            List<Address> addresses = null;
            for (TextKeys.Entry entry : keys.entries()) {
                switch (entry.key()) {
                    case "TargetName" -> {
                        addresses = new ArrayList<>();
                        targets.add(new Target(name(entry.value()), addresses));
                    }
                    case "TargetAddress" -> {
                        if (addresses == null) {
                            throw new LoginProtocolException("it tells an address of no target");
                        }
                        addresses.add(address(entry.value()));
                    }
                    default -> {} // others may follow, and say nothing that is needed
                }
            }
            return targets.stream().map(this::reachable).toList();
        }

        private Target reachable(Target target) {
            List<Address> known = target.addresses();
            return new Target(
                    target.name(),
                    known.isEmpty() ? List.of(new Address(portal, -1)) : List.copyOf(known));
        }

        private static IscsiName name(String value) throws LoginProtocolException {
            try {
                return new IscsiName(value);
            } catch (StorageException e) {
                throw new LoginProtocolException("it tells of a target without a proper name", e);
            }
        }

        private static Address address(String value) throws LoginProtocolException {
            int comma = value.indexOf(',');
            int group =
                    comma < 0
                            ? -1
                            : Negotiation.number(value.substring(comma + 1), "TargetAddress");
            try {
                return new Address(Portal.parse(value), group);
            } catch (StorageException e) {
                throw new LoginProtocolException("it tells of an address that is none", e);
            }
        }
    }
}
