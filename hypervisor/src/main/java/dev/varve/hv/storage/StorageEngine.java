// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.sr.spi.AttachedSr;
import dev.varve.vdi.disk.DiskService;

import java.util.List;

/**
 * What moves the data: the disks of repositories and their way to those who use them. The toolstack
 * decides what is attached; this does it.
 *
 * <p><b>Threads:</b> any.
 */
public interface StorageEngine extends AutoCloseable {
    /** The operations on the disks of a repository, as long as that is attached. */
    DiskService disks(AttachedSr sr);

    /** The way of disks to their users. */
    Datapath datapath();

    /** What runs and how it does, one line each, for a person. */
    List<String> describe();

    /** How the engine does, in numbers. Asks no storage. */
    EngineStatus status();

    /** Ends everything; no disk may be active. */
    @Override
    void close();
}
