// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

/** What a check of an image, or of a chain of them, comes to. */
public enum VhdVerdict {
    /** It is in order. */
    VALID,
    /**
     * It was not closed: the footer at the end is missing or is that of before, and perhaps the
     * batmap does not match its checksum. Opening it for writing repairs it.
     */
    UNCLEAN,
    /** It is not in order otherwise. */
    INVALID
}
