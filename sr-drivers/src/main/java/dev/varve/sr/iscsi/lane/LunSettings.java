// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import java.util.concurrent.TimeUnit;

/**
 * How patient the paths of a logical unit are.
 *
 * @param outstanding how many commands a session has outstanding at the most, 1 to {@value
 *     #MOST_OUTSTANDING}
 * @param loginNanos how long a login may take
 * @param retryNanos how long to wait after a login that failed, the first time; it doubles up to
 *     {@link #longestRetryNanos}
 * @param longestRetryNanos how long to wait after a login that failed, at the most
 * @param commandNanos how long a command may take before it is aborted
 * @param abortNanos how long that may take before the connection is dropped
 * @param quietNanos after how long without a word from the target it is asked for a sign of life
 * @param deadNanos how long that may take before the connection is dropped
 * @param holdNanos how long requests are held while no path can carry them out, before they fail; 0
 *     for ever
 */
public record LunSettings(
        int outstanding,
        long loginNanos,
        long retryNanos,
        long longestRetryNanos,
        long commandNanos,
        long abortNanos,
        long quietNanos,
        long deadNanos,
        long holdNanos) {
    /** How many commands a session can have outstanding. */
    public static final int MOST_OUTSTANDING = 128;

    /** What suits a storage network: a portal counts as dead after 15 s, I/O is held for 120 s. */
    public static final LunSettings DEFAULT =
            new LunSettings(
                    MOST_OUTSTANDING,
                    TimeUnit.SECONDS.toNanos(15),
                    TimeUnit.MILLISECONDS.toNanos(250),
                    TimeUnit.SECONDS.toNanos(5),
                    TimeUnit.SECONDS.toNanos(30),
                    TimeUnit.SECONDS.toNanos(10),
                    TimeUnit.SECONDS.toNanos(5),
                    TimeUnit.SECONDS.toNanos(10),
                    TimeUnit.SECONDS.toNanos(120));

    /** Checks the numbers. */
    public LunSettings {
        boolean positive =
                loginNanos > 0
                        && retryNanos > 0
                        && longestRetryNanos >= retryNanos
                        && commandNanos > 0
                        && abortNanos > 0
                        && quietNanos > 0
                        && deadNanos > 0
                        && holdNanos >= 0;
        if (!positive || outstanding < 1 || outstanding > MOST_OUTSTANDING) {
            throw new IllegalArgumentException("settings of a logical unit: " + this);
        }
    }

    /** The same with another time for which requests are held; 0 is for ever. */
    public LunSettings holding(long nanos) {
        return new LunSettings(
                outstanding,
                loginNanos,
                retryNanos,
                longestRetryNanos,
                commandNanos,
                abortNanos,
                quietNanos,
                deadNanos,
                nanos);
    }
}
