// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

/**
 * Extents of a physical volume that follow each other.
 *
 * @param pv the name of the physical volume within its group, such as {@code pv0}
 * @param start the first extent
 * @param count how many extents, at least 1
 */
public record ExtentRun(String pv, long start, long count) {
    /** The first extent behind it. */
    public long end() {
        return start + count;
    }

    /** The first extents of it. */
    ExtentRun first(long extents) {
        return new ExtentRun(pv, start, extents);
    }
}
