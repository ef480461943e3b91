// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import dev.varve.sr.iscsi.ChapSecrets.Secret;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.HexFormat;

/**
 * CHAP with MD5 (RFC 1994, RFC 7143 12.1.3): the response is the hash of the identifier, the secret
 * and the challenge.
 */
final class Chap {
    /** CHAP_A of MD5. */
    static final String MD5 = "5";

    /** How long a challenge of ours is, in bytes. */
    static final int CHALLENGE_BYTES = 24;

    private static final int MAX_CHALLENGE_BYTES = 1024;

    private Chap() {}

    /** The response to a challenge. */
    static byte[] response(int identifier, Secret secret, byte[] challenge) {
        try {
            MessageDigest hash = MessageDigest.getInstance("MD5");
            hash.update((byte) identifier);
            hash.update(secret.secret().getBytes(StandardCharsets.UTF_8));
            hash.update(challenge);
            return hash.digest();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("this Java has no MD5", e);
        }
    }

    /** Bytes as a value of a key. */
    static String encode(byte[] bytes) {
        return "0x" + HexFormat.of().formatHex(bytes);
    }

    /** Reads bytes from a value of a key, in base 16 or 64. */
    static byte[] decode(String value, String key) throws LoginProtocolException {
        byte[] bytes = decoded(value, key);
        if (bytes.length == 0 || bytes.length > MAX_CHALLENGE_BYTES) {
            throw new LoginProtocolException(
                    "its " + key + " has " + bytes.length + " bytes, not 1 to 1024");
        }
        return bytes;
    }

    private static byte[] decoded(String value, String key) throws LoginProtocolException {
        String prefix = value.length() < 2 ? "" : value.substring(0, 2);
        try {
            return switch (prefix) {
                case "0x", "0X" -> HexFormat.of().parseHex(even(value.substring(2)));
                case "0b", "0B" -> Base64.getDecoder().decode(value.substring(2));
                default -> throw new LoginProtocolException("its " + key + " is no binary value");
            };
        } catch (IllegalArgumentException e) {
            throw new LoginProtocolException("its " + key + " is no binary value", e);
        }
    }

    private static String even(String digits) {
        return digits.length() % 2 == 0 ? digits : "0" + digits;
    }

    /** Reads CHAP_I: 0 to 255. */
    static int identifier(String value) throws LoginProtocolException {
        int number = Negotiation.number(value, "CHAP_I");
        if (number > 0xFF) {
            throw new LoginProtocolException("its CHAP_I is " + number + ", more than 255");
        }
        return number;
    }
}
