// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Scheduler;

import java.nio.file.Path;
import java.util.UUID;

/** Makes the storage engine of a daemon. */
public interface StorageEngineFactory {
    /**
     * What an engine is given.
     *
     * @param home the directory of the daemon; sockets belong in its {@code run}
     * @param host the UUID of this host
     */
    record Setting(Path home, UUID host, Clock clock, RandomSource random, Scheduler scheduler) {}

    /** Starts an engine. */
    StorageEngine open(Setting setting);
}
