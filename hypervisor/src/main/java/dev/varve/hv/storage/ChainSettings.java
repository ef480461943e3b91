// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

/**
 * How the daemon keeps chains of images short.
 *
 * @param quietMillis how long it waits after something has changed before it looks for what can be
 *     merged, so that a burst of snapshots is over by then
 * @param trees how many trees of a repository are worked on at once
 * @param bytesPerSecond how fast one merge may copy; 0 means as fast as it goes
 */
public record ChainSettings(long quietMillis, int trees, long bytesPerSecond) {
    /** What holds when nothing else was chosen. */
    public static final ChainSettings DEFAULTS = new ChainSettings(2000, 2, 0);
}
