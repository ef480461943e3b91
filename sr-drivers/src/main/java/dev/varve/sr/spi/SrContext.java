// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.spi;

import dev.varve.vdi.Operation;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import java.nio.file.Path;
import java.util.UUID;
import java.util.concurrent.Executor;

/**
 * What a driver is given for one call.
 *
 * @param host the UUID of this host
 * @param home the directory of the daemon, for mount points and the like
 * @param clock the only source of time
 * @param random the only source of randomness
 * @param blocking where work that blocks on the medium may run
 * @param operation progress, cancellation and deadline of the call
 * @param initiator the name of this host towards iSCSI targets; empty when it has none
 * @param pool the UUID of the pool of hosts that this one belongs to; hosts of another pool must
 *     not use the same shared repository
 */
public record SrContext(
        UUID host,
        Path home,
        Clock clock,
        RandomSource random,
        Executor blocking,
        Operation operation,
        String initiator,
        UUID pool) {
    /** The pool of hosts that are told of none. */
    public static final UUID NO_POOL = new UUID(0, 0);

    /** For a host without a pool and without a name towards iSCSI targets. */
    public SrContext(
            UUID host,
            Path home,
            Clock clock,
            RandomSource random,
            Executor blocking,
            Operation operation) {
        this(host, home, clock, random, blocking, operation, "", NO_POOL);
    }
}
