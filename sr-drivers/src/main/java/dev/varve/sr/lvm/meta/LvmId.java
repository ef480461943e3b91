// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.vdi.time.RandomSource;

import java.util.Objects;

/**
 * The identifier of a physical volume, a volume group or a logical volume: 32 characters, written
 * in groups of 6-4-4-4-4-4-6.
 *
 * @param text the 38 characters with their hyphens
 */
public record LvmId(String text) {
    /** How many characters it has on disk, where hyphens are left out. */
    public static final int CHARACTERS = 32;

    /** New identifiers are made of these; {@code !} and {@code #} are read as well. */
    private static final String ALPHABET =
            "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    private static final int TEXT_LENGTH = 38;
    private static final String HYPHENS = "6-4-4-4-4-4-6";

    /** Fails with an IllegalArgumentException when the text is not of this form. */
    public LvmId {
        Objects.requireNonNull(text);
        if (!isValid(text)) {
            throw new IllegalArgumentException(
                    "'%s' is not an LVM identifier of the form %s".formatted(text, HYPHENS));
        }
    }

    /** Whether a text is an identifier with its hyphens. */
    public static boolean isValid(String text) {
        if (text.length() != TEXT_LENGTH) {
            return false;
        }
        for (int at = 0; at < TEXT_LENGTH; at++) {
            char character = text.charAt(at);
            if (isHyphenPlace(at) ? character != '-' : !isIdCharacter(character)) {
                return false;
            }
        }
        return true;
    }

    private static boolean isHyphenPlace(int at) {
        return at >= 6 && at <= 31 && (at - 6) % 5 == 0;
    }

    private static boolean isIdCharacter(char character) {
        return ALPHABET.indexOf(character) >= 0 || character == '!' || character == '#';
    }

    /** An identifier that nobody else has. */
    public static LvmId random(RandomSource random) {
        StringBuilder characters = new StringBuilder(CHARACTERS);
        byte[] bytes = new byte[CHARACTERS];
        while (characters.length() < CHARACTERS) {
            random.bytes(bytes);
            for (byte value : bytes) {
                append(characters, value & 0x3F);
            }
        }
        return ofCharacters(characters.toString());
    }

    /** Values beyond the alphabet are passed over, so that all characters are equally likely. */
    private static void append(StringBuilder characters, int value) {
        if (value < ALPHABET.length() && characters.length() < CHARACTERS) {
            characters.append(ALPHABET.charAt(value));
        }
    }

    /** The identifier of 32 characters without hyphens, as labels have it. */
    public static LvmId ofCharacters(String characters) {
        if (characters.length() != CHARACTERS) {
            throw new IllegalArgumentException(
                    "'%s' does not have the %d characters of an LVM identifier"
                            .formatted(characters, CHARACTERS));
        }
        StringBuilder text = new StringBuilder(characters);
        for (int at = 6; at <= 31; at += 5) {
            text.insert(at, '-');
        }
        return new LvmId(text.toString());
    }

    /** The 32 characters without hyphens. */
    public String characters() {
        return text.replace("-", "");
    }

    @Override
    public String toString() {
        return text;
    }
}
