// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi;

/** Whether we want a digest (RFC 7143, 13.1), in the words of its key. */
public enum DigestChoice {
    /** Without. */
    NONE("None"),
    /** With one if the target can, else without. */
    PREFERRED("CRC32C,None"),
    /** With one, or no session. */
    REQUIRED("CRC32C");

    private final String offer;

    DigestChoice(String offer) {
        this.offer = offer;
    }

    /** What we offer, in order of preference. */
    public String offer() {
        return offer;
    }
}
