// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.vdi.time.RandomSource;

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;

import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;

/**
 * A password as it is kept: salted, and hashed so slowly that trying many takes long (PBKDF2, RFC
 * 8018). The text form is {@code ALGORITHM$ITERATIONS$SALT$HASH}, the last two in hexadecimal.
 */
record PasswordHash(String algorithm, int iterations, byte[] salt, byte[] hash) {
    private static final String ALGORITHM = "PBKDF2WithHmacSHA512";
    private static final int ITERATIONS = 210_000;
    private static final int SALT_BYTES = 16;
    private static final int HASH_BYTES = 32;

    /** The hash of a new password. Takes a noticeable part of a second. */
    static PasswordHash of(String password, RandomSource random) {
        byte[] salt = new byte[SALT_BYTES];
        random.bytes(salt);
        byte[] hash = derive(ALGORITHM, ITERATIONS, salt, HASH_BYTES, password);
        return new PasswordHash(ALGORITHM, ITERATIONS, salt, hash);
    }

    /** Reads the text form. */
    static PasswordHash parse(String text) {
        String[] parts = text.split("\\$", -1);
        if (parts.length != 4) {
            throw new IllegalStateException("the hash of a password that is kept is damaged");
        }
        HexFormat hex = HexFormat.of();
        return new PasswordHash(
                parts[0],
                Integer.parseInt(parts[1]),
                hex.parseHex(parts[2]),
                hex.parseHex(parts[3]));
    }

    String text() {
        HexFormat hex = HexFormat.of();
        return String.join(
                "$",
                algorithm,
                Integer.toString(iterations),
                hex.formatHex(salt),
                hex.formatHex(hash));
    }

    /** Whether this is the hash of the password. Takes as long as making it. */
    boolean fits(String password) {
        return MessageDigest.isEqual(
                hash, derive(algorithm, iterations, salt, hash.length, password));
    }

    private static byte[] derive(
            String algorithm, int iterations, byte[] salt, int bytes, String password) {
        PBEKeySpec spec = new PBEKeySpec(password.toCharArray(), salt, iterations, bytes * 8);
        try {
            return SecretKeyFactory.getInstance(algorithm).generateSecret(spec).getEncoded();
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this Java cannot hash passwords", e);
        } finally {
            spec.clearPassword();
        }
    }
}
