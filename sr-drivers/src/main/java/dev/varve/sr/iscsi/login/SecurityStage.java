// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import dev.varve.sr.iscsi.ChapSecrets;
import dev.varve.sr.iscsi.ChapSecrets.Secret;
import dev.varve.sr.iscsi.wire.ConnectionLostException;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.time.RandomSource;

import java.security.MessageDigest;
import java.util.Arrays;

/**
 * Who is who (RFC 7143, 12.1). Without secrets we offer None; with one, CHAP and None, so that a
 * target that asks nobody works too; with one for the target as well, CHAP alone, and a target that
 * does not show who it is gets no session.
 *
 * <p>Against reflection: a target that answers our challenge with what we answered it is refused,
 * and so is one whose challenge is one that we have sent ourselves in a login that is still under
 * way.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class SecurityStage {
    private final LoginConversation conversation;
    private final ChapSecrets secrets;
    private final RandomSource random;
    private final OpenChallenges challenges;
    private final String target;

    SecurityStage(
            LoginConversation conversation,
            ChapSecrets secrets,
            RandomSource random,
            OpenChallenges challenges,
            String target) {
        this.conversation = conversation;
        this.secrets = secrets;
        this.random = random;
        this.challenges = challenges;
        this.target = target;
    }

    /**
     * Goes through the stage, and gives the keys of its last answer.
     *
     * @param identity who we are and what we want
     */
    TextKeys run(TextKeys identity) throws ConnectionLostException, LoginProtocolException {
        boolean secret = secrets.own().isPresent();
        identity.put("AuthMethod", methods());
        int next = secret ? LoginRequest.SECURITY : LoginRequest.OPERATIONAL;
        TextKeys answer = exchange(identity, next);
        if (isOver() || !LoginStatus.isSuccess(conversation.last().status())) {
            return answer;
        }
        String method = answer.get("AuthMethod").orElse("None");
        if (secret && method.equals("CHAP")) {
            return chap(secrets.own().get());
        }
        if (!method.equals("None") || secrets.target().isPresent()) {
            throw ErrorCode.ISCSI_LOGIN.because(
                    "%s wants %s to be authenticated by, and we offer %s"
                            .formatted(target, method, methods()));
        }
        return finish(new TextKeys());
    }

    private String methods() {
        if (secrets.target().isPresent()) {
            return "CHAP";
        }
        return secrets.own().isPresent() ? "CHAP,None" : "None";
    }

    private TextKeys chap(Secret own) throws ConnectionLostException, LoginProtocolException {
        TextKeys answer = exchange(new TextKeys().put("CHAP_A", Chap.MD5), LoginRequest.SECURITY);
        if (!LoginStatus.isSuccess(conversation.last().status())) {
            return answer;
        }
        if (!answer.require("CHAP_A").equals(Chap.MD5)) {
            throw new LoginProtocolException("it chose a hash of CHAP that was not offered");
        }
        int identifier = Chap.identifier(answer.require("CHAP_I"));
        byte[] challenge = Chap.decode(answer.require("CHAP_C"), "CHAP_C");
        if (challenges.contains(challenge)) {
            throw impostor("it sends us a challenge of our own");
        }
        byte[] response = Chap.response(identifier, own, challenge);
        TextKeys keys =
                new TextKeys().put("CHAP_N", own.user()).put("CHAP_R", Chap.encode(response));
        return secrets.target().isPresent()
                ? challengeTarget(keys, response, secrets.target().get())
                : finish(keys);
    }

    private TextKeys challengeTarget(TextKeys keys, byte[] ownResponse, Secret expected)
            throws ConnectionLostException, LoginProtocolException {
        byte[] bytes = new byte[Chap.CHALLENGE_BYTES + 1];
        random.bytes(bytes);
        int identifier = bytes[Chap.CHALLENGE_BYTES] & 0xFF;
        byte[] challenge = Arrays.copyOf(bytes, Chap.CHALLENGE_BYTES);
        challenges.add(challenge);
        try {
            keys.put("CHAP_I", identifier).put("CHAP_C", Chap.encode(challenge));
            TextKeys answer = finish(keys);
            if (LoginStatus.isSuccess(conversation.last().status())) {
                verify(
                        answer,
                        Chap.response(identifier, expected, challenge),
                        ownResponse,
                        expected);
            }
            return answer;
        } finally {
            challenges.remove(challenge);
        }
    }

    private void verify(TextKeys answer, byte[] right, byte[] ownResponse, Secret expected)
            throws LoginProtocolException {
        if (answer.get("CHAP_R").isEmpty()) {
            throw impostor("it does not answer our challenge");
        }
        byte[] response = Chap.decode(answer.require("CHAP_R"), "CHAP_R");
        if (MessageDigest.isEqual(response, ownResponse)) {
            throw impostor("it sends our own answer back to us");
        }
        boolean named = answer.require("CHAP_N").equals(expected.user());
        if (!MessageDigest.isEqual(response, right) || !named) {
            throw impostor("its name or its secret of CHAP is wrong");
        }
    }

    private RuntimeException impostor(String why) {
        return ErrorCode.ISCSI_LOGIN.because(
                target + " has not shown that it is what it should be: " + why);
    }

    /** Sends what is left, and repeats that we are ready until the target is as well. */
    private TextKeys finish(TextKeys keys) throws ConnectionLostException, LoginProtocolException {
        TextKeys all = new TextKeys();
        TextKeys next = keys;
        do {
            exchange(next, LoginRequest.OPERATIONAL)
                    .entries()
                    .forEach(entry -> all.put(entry.key(), entry.value()));
            next = new TextKeys();
        } while (LoginStatus.isSuccess(conversation.last().status()) && !isOver());
        return all;
    }

    private TextKeys exchange(TextKeys keys, int next)
            throws ConnectionLostException, LoginProtocolException {
        return conversation.exchange(keys, LoginRequest.SECURITY, next);
    }

    private boolean isOver() {
        return conversation.last().transit();
    }
}
