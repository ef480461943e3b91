// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

/**
 * How a store of logical volumes behaves.
 *
 * @param leastStepBytes how much an image grows at least at a time
 * @param mostStepBytes how much it grows at most at a time, if not more was asked for
 * @param stepPart an image grows by this part of its size, between the two
 * @param smallBytes volumes up to this size may be made of the room that is kept back
 * @param logBytes how large a new log of attributes is at least
 */
public record LvmStoreSettings(
        long leastStepBytes, long mostStepBytes, int stepPart, long smallBytes, long logBytes) {
    /** A sixteenth of the size, from 64 MiB to 1 GiB; images up to 16 MiB may always be made. */
    public static final LvmStoreSettings DEFAULT =
            new LvmStoreSettings(64L << 20, 1L << 30, 16, 16L << 20, 8L << 20);

    /** Checks the steps. */
    public LvmStoreSettings {
        if (leastStepBytes <= 0 || mostStepBytes < leastStepBytes || stepPart <= 0) {
            throw new IllegalArgumentException(
                    "images cannot grow by %d to %d bytes, or by 1/%d of their size"
                            .formatted(leastStepBytes, mostStepBytes, stepPart));
        }
    }

    /** How much an image of a size grows at a time, in bytes. */
    long stepBytes(long sizeBytes) {
        return Math.clamp(sizeBytes / stepPart, leastStepBytes, mostStepBytes);
    }
}
