// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.xenapi.CurrentOperations;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.Tasks;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Scheduler;

import java.nio.file.Path;
import java.util.concurrent.Executor;

/**
 * What the storage side of the toolstack works with.
 *
 * @param home the directory of the daemon
 * @param host the reference to the host that this daemon runs on
 * @param blocking where work that waits for storage runs
 * @param chains how chains of images are kept short
 */
public record StorageEnvironment(
        Path home,
        String host,
        Database database,
        CurrentOperations operations,
        Tasks tasks,
        Drivers drivers,
        StorageEngine engine,
        Clock clock,
        RandomSource random,
        Scheduler scheduler,
        Executor blocking,
        ChainSettings chains) {}
