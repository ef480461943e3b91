// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import java.util.List;

/**
 * What names and tags may be. The rules are those of {@code lvm2}, including that a volume has to
 * fit into device-mapper's name for it, so that a group can be handed back.
 */
final class LvmNames {
    /** The longest name of a volume or group, and of a volume as device-mapper calls it. */
    static final int MAXIMUM_LENGTH = 127;

    private static final int MAXIMUM_TAG_LENGTH = 1024;
    private static final String PUNCTUATION = "+_.-";
    private static final String TAG_PUNCTUATION = "+_.-/=!:&#";

    /** Names that begin so belong to volumes that lvm2 makes for its own use. */
    private static final List<String> RESERVED_BEGINNINGS = List.of("pvmove", "snapshot");

    /** Names with such a part belong to parts of volumes of other types. */
    private static final List<String> RESERVED_PARTS =
            List.of(
                    "_mlog",
                    "_mimage",
                    "_rimage",
                    "_rmeta",
                    "_tdata",
                    "_tmeta",
                    "_cdata",
                    "_cmeta",
                    "_cvol",
                    "_corig",
                    "_wcorig",
                    "_iorig",
                    "_imeta",
                    "_vdata",
                    "_vorigin",
                    "_pmspare");

    private LvmNames() {}

    /** Whether a name can be that of a group or a volume that is there already. */
    static boolean isValid(String name) {
        return !name.isEmpty()
                && name.length() <= MAXIMUM_LENGTH
                && !name.startsWith("-")
                && !name.equals(".")
                && !name.equals("..")
                && consistsOf(name, PUNCTUATION);
    }

    /** Fails with an IllegalArgumentException when a group cannot be called so. */
    static void checkGroup(String name) {
        check(isValid(name), "group name", name, "it may have up to 127 of a-z A-Z 0-9 + _ . -");
    }

    /** Fails with an IllegalArgumentException when a new volume of a group cannot be called so. */
    static void checkVolume(String group, String name) {
        check(isValid(name), "volume name", name, "it may have up to 127 of a-z A-Z 0-9 + _ . -");
        check(
                RESERVED_BEGINNINGS.stream().noneMatch(name::startsWith)
                        && RESERVED_PARTS.stream().noneMatch(name::contains),
                "volume name",
                name,
                "LVM keeps such names for itself");
        check(
                mapperName(group, name).length() <= MAXIMUM_LENGTH,
                "volume name",
                name,
                "with the name of the group it is longer than device-mapper allows");
    }

    /** Hyphens are doubled there, so that the one between the names can be told. */
    private static String mapperName(String group, String volume) {
        return group.replace("-", "--") + "-" + volume.replace("-", "--");
    }

    /** Fails with an IllegalArgumentException when a tag cannot be written. */
    static void checkTag(String tag) {
        check(
                !tag.isEmpty()
                        && tag.length() <= MAXIMUM_TAG_LENGTH
                        && !tag.startsWith("-")
                        && consistsOf(tag, TAG_PUNCTUATION),
                "tag",
                tag,
                "it may have up to 1024 of a-z A-Z 0-9 + _ . - / = ! : & #");
    }

    private static boolean consistsOf(String text, String punctuation) {
        for (int at = 0; at < text.length(); at++) {
            char character = text.charAt(at);
            if (!isLetterOrDigit(character) && punctuation.indexOf(character) < 0) {
                return false;
            }
        }
        return true;
    }

    /** Whether a character is one of those of ASCII; others are no part of names. */
    static boolean isLetterOrDigit(int character) {
        return (character >= 'a' && character <= 'z')
                || (character >= 'A' && character <= 'Z')
                || (character >= '0' && character <= '9');
    }

    private static void check(boolean holds, String what, String name, String rule) {
        if (!holds) {
            throw new IllegalArgumentException(
                    "'%s' cannot be a %s of LVM: %s".formatted(name, what, rule));
        }
    }
}
