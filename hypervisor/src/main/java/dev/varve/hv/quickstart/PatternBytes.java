// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.quickstart;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The bytes of a pattern: each group of eight follows from the seed and its place alone, so that
 * data from another place, another run or of another length never looks right.
 */
record PatternBytes(long seed) {
    /** Fills the rest of the buffer, a multiple of eight bytes, as for this offset of the disk. */
    void fill(long offset, ByteBuffer target) {
        ByteBuffer out = target.slice().order(ByteOrder.LITTLE_ENDIAN);
        for (int at = 0; at < out.limit(); at += Long.BYTES) {
            out.putLong(at, word(offset + at));
        }
    }

    /** The offset of the first wrong group of eight bytes, or -1. */
    long firstDifference(long offset, ByteBuffer found) {
        ByteBuffer in = found.slice().order(ByteOrder.LITTLE_ENDIAN);
        for (int at = 0; at < in.limit(); at += Long.BYTES) {
            if (in.getLong(at) != word(offset + at)) {
                return offset + at;
            }
        }
        return -1;
    }

    /**
     * The finalizer of SplitMix64: every bit of the input moves about half the bits of the output.
     */
    private long word(long offset) {
        long mixed = seed * 0x9E3779B97F4A7C15L + offset;
        mixed = (mixed ^ (mixed >>> 30)) * 0xBF58476D1CE4E5B9L;
        mixed = (mixed ^ (mixed >>> 27)) * 0x94D049BB133111EBL;
        return mixed ^ (mixed >>> 31);
    }
}
