// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.http;

/**
 * What the peers of one listener may take.
 *
 * @param requestMillis how long a request may be on its way
 * @param idleMillis how long a connection may wait for its next request
 * @param responseMillis how long a response may be on its way; a peer that does not read is left
 *     then
 * @param rawMillis how long a connection that was taken over may be silent
 * @param connections how many there may be at once; for a new one, the one that has been idle for
 *     longest is closed, and when none is idle, the new one is
 * @param bodyBytes the largest body of a request
 * @param gatheredBytes how much of bodies may be there of all requests together, until they are
 *     answered; beyond that, the connection that has been sending for longest is closed
 * @param waitingBytes how much of responses may wait for peers that read slowly; beyond that, the
 *     connection that has waited for longest is closed
 */
public record HttpLimits(
        long requestMillis,
        long idleMillis,
        long responseMillis,
        long rawMillis,
        int connections,
        int bodyBytes,
        long gatheredBytes,
        long waitingBytes) {
    private static final int MIB = 1 << 20;

    /** What is good for the socket file of a daemon. */
    public static final HttpLimits LOCAL =
            new HttpLimits(30_000, 300_000, 60_000, 600_000, 256, 4 * MIB, 64L * MIB, 256L * MIB);

    /** What is good for peers on the network. */
    public static final HttpLimits NETWORK =
            new HttpLimits(30_000, 300_000, 60_000, 600_000, 256, MIB, 32L * MIB, 128L * MIB);
}
