// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.store;

/** What a store can do besides keeping volumes. */
public enum StoreFeature {
    /** Space is taken when it is written, not when a volume is made or grown. */
    SPARSE,
    /** New space reads as zero. */
    ZEROED,
    /** The store may be used by several hosts at once. */
    SHARED
}
