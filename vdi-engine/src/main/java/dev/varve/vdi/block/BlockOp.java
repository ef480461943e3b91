// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

/** What a request asks for. */
public enum BlockOp {
    /** Read into the buffer. */
    READ,
    /** Write from the buffer. */
    WRITE,
    /** Make every write durable that completed before this request was submitted. */
    FLUSH,
    /** The content of the range is no longer needed. */
    DISCARD,
    /** Make the range read as zero. */
    WRITE_ZEROES,
    /** Tell which parts of the range hold data. */
    EXTENTS;

    /** Whether it changes what the device holds. */
    public boolean changes() {
        return this == WRITE || this == DISCARD || this == WRITE_ZEROES;
    }
}
