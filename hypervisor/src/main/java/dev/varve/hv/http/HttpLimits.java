// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.http;

/**
 * What a peer may take.
 *
 * @param requestMillis how long a request may be on its way
 * @param idleMillis how long a connection may wait for its next request
 * @param rawMillis how long a connection that was taken over may be silent
 * @param connections how many there may be at once; more are closed at once
 */
public record HttpLimits(long requestMillis, long idleMillis, long rawMillis, int connections) {
    /** What is good for a daemon. */
    public static final HttpLimits DEFAULT = new HttpLimits(30_000, 300_000, 600_000, 256);
}
