// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

/**
 * How a store of files behaves.
 *
 * @param growthStepBytes images grow to multiples of this, so that a disk that fills up changes the
 *     size of its file seldom; a power of two
 * @param direct whether volumes are opened past the page cache where the file system allows it
 */
public record FileStoreSettings(long growthStepBytes, boolean direct) {
    /** 64 MiB at a time, past the page cache. */
    public static final FileStoreSettings DEFAULT = new FileStoreSettings(64L << 20, true);

    /** Checks the step. */
    public FileStoreSettings {
        if (Long.bitCount(growthStepBytes) != 1) {
            throw new IllegalArgumentException(
                    "a growth step of " + growthStepBytes + " bytes is not a power of two");
        }
    }
}
