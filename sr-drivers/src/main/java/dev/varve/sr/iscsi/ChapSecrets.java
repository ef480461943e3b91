// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi;

import dev.varve.vdi.ErrorCode;

import java.util.Optional;

/**
 * Names and secrets of CHAP (RFC 7143, 12.1.3): one by which we show who we are, and perhaps one by
 * which the target has to.
 *
 * @param own what the target asks us for, where it does
 * @param target what we ask the target for, where we do
 */
public record ChapSecrets(Optional<Secret> own, Optional<Secret> target) {
    /** Nobody asks for anything. */
    public static final ChapSecrets NONE = new ChapSecrets(Optional.empty(), Optional.empty());

    private static final int MAX_BYTES = 255;

    /**
     * A name and its secret.
     *
     * @param user the name
     * @param secret the secret; no part of any message
     */
    public record Secret(String user, String secret) {
        /** Takes both; fails with SR_INVALID_ARGUMENT where one is empty or too long. */
        public Secret {
            requireText(user, "the name");
            requireText(secret, "the secret");
        }

        private static void requireText(String text, String what) {
            boolean fits = !text.isEmpty() && text.length() <= MAX_BYTES;
            if (!fits || text.indexOf('\0') >= 0) {
                throw ErrorCode.SR_INVALID_ARGUMENT.because(
                        what + " of CHAP must have 1 to " + MAX_BYTES + " characters");
            }
        }

        @Override
        public String toString() {
            return user;
        }
    }

    /**
     * Takes both; fails with SR_INVALID_ARGUMENT where they have the same secret, since whoever
     * knows one side's could then play the other, or where only the target is asked.
     */
    public ChapSecrets {
        if (target.isPresent() && own.isEmpty()) {
            throw ErrorCode.SR_INVALID_ARGUMENT.because(
                    "a target can only be asked by CHAP when it asks us as well: chapuser and"
                            + " chappassword are missing");
        }
        if (own.isPresent()
                && target.isPresent()
                && own.get().secret().equals(target.get().secret())) {
            throw ErrorCode.SR_INVALID_ARGUMENT.because(
                    "the secrets of CHAP must differ in both directions");
        }
    }

    /** The target asks us. */
    public static ChapSecrets oneWay(String user, String secret) {
        return new ChapSecrets(Optional.of(new Secret(user, secret)), Optional.empty());
    }

    /** The target asks us, and we the target. */
    public static ChapSecrets mutual(Secret own, Secret target) {
        return new ChapSecrets(Optional.of(own), Optional.of(target));
    }
}
