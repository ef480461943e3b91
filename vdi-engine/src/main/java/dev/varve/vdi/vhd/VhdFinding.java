// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

/**
 * Something that a check noticed about an image.
 *
 * @param weight what it makes of the image
 * @param where the part of the image that it is about
 * @param what what is wrong there
 * @param advice what can be done
 */
public record VhdFinding(Weight weight, String where, String what, String advice) {
    /** What a finding makes of an image. */
    public enum Weight {
        /** Nothing: it is said because somebody may wonder. */
        NOTE,
        /** The image was not closed. */
        UNCLEAN,
        /** The image is not in order, and nothing here repairs it. */
        INVALID
    }

    /** One line for people. */
    @Override
    public String toString() {
        return where + " " + what + "; " + advice;
    }
}
