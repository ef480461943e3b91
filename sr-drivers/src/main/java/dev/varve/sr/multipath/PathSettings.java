// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

/**
 * How patient a device over several paths is.
 *
 * @param holdSeconds how long requests wait when no path is left, before they fail; 0 for as long
 *     as it takes
 * @param checkSeconds how long between two looks at all paths
 */
public record PathSettings(long holdSeconds, long checkSeconds) {
    /**
     * Long enough for an array to restart a controller, short enough for a guest not to give up.
     */
    public static final long HOLD_SECONDS = 120;

    private static final long CHECK_SECONDS = 5;

    /** The usual patience. */
    public static PathSettings usual() {
        return new PathSettings(HOLD_SECONDS, CHECK_SECONDS);
    }
}
