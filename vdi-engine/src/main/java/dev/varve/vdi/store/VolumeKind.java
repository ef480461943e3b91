// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.store;

/** What a volume holds. A store maps the kind to its own names: a suffix, a prefix, a tag. */
public enum VolumeKind {
    /** An image in the VHD format. */
    VHD,
    /** The plain content of a disk. */
    RAW,
    /** A log of changed blocks. */
    CBT_LOG,
    /** Metadata of the repository itself. */
    META,
    /** The journal of a plan that is being carried out. */
    JOURNAL,
    /** An image that is still being made. Whatever is left of it after a crash is removed. */
    INCOMING;

    /** Whether a volume of this kind is a disk or a node of one. */
    public boolean isDisk() {
        return this == VHD || this == RAW;
    }
}
