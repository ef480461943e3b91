// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

/**
 * What a device can do besides reading. A filter may drop features of the device below, never add.
 */
public enum BlockFeature {
    /** It can be written. */
    WRITE,
    /** A write can be made durable by itself. */
    FUA,
    /** Space can be given back; afterwards the range reads as zero or as before. */
    DISCARD,
    /** A range can be made to read as zero without sending zeros. */
    WRITE_ZEROES,
    /** It can tell which ranges hold data. */
    EXTENTS
}
