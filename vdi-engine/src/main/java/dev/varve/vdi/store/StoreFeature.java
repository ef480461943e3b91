// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.store;

/** What a store can do besides keeping volumes. */
public enum StoreFeature {
    /** Space is taken when it is written, not when a volume is made or grown. */
    SPARSE,
    /** New space reads as zero. */
    ZEROED,
    /** The store may be used by several hosts at once. */
    SHARED,
    /**
     * Its owner wants disks to have all the room that they may ever need from the start: who makes
     * an image that is going to be written grows its volume to that at once, and nothing is cut
     * off.
     */
    THICK
}
