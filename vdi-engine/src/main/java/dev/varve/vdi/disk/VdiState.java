// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

/** Whether the image of a disk is in order. */
public sealed interface VdiState {
    /** It is in order. */
    record Valid() implements VdiState {}

    /** It was not closed; the next activation repairs it. Nothing that was flushed is lost. */
    record Unclean() implements VdiState {}

    /** It cannot be used, for the reason given; other disks are not affected. */
    record Quarantined(String reason) implements VdiState {}
}
