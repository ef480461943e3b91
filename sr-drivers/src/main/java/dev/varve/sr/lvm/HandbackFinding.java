// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

/**
 * What would hinder the reference stack from using a repository.
 *
 * @param kind what is wrong
 * @param subject the volume that it is about, or the group
 * @param sentence what is wrong and what to do, for a person
 */
public record HandbackFinding(Kind kind, String subject, String sentence) {
    /** What can be wrong. */
    public enum Kind {
        /** Disks need more room, once they have all of it, than there is. */
        OVER_COMMITTED,
        /** A chain of images is longer than the reference stack allows. */
        CHAIN_TOO_LONG,
        /** Work of ours is not ended. */
        UNFINISHED,
        /** A volume that the reference stack does not know, and would never remove. */
        UNKNOWN_VOLUME,
        /** A text is longer than there is room for. */
        TEXT_CUT
    }
}
