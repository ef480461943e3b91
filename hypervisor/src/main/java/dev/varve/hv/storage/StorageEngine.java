// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.nbd.NbdEndpoint;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.filter.RoomWatch;

import java.net.InetSocketAddress;
import java.util.List;

/**
 * What moves the data: the disks of repositories and their way to those who use them. The toolstack
 * decides what is attached; this does it.
 *
 * <p><b>Threads:</b> any.
 */
public interface StorageEngine extends AutoCloseable {
    /**
     * The operations on the disks of a repository, as long as that is attached.
     *
     * @param room what happens to writes when it is full; told who waits
     */
    DiskService disks(AttachedSr sr, RoomWatch room);

    /** The way of disks to their users. */
    Datapath datapath();

    /**
     * Serves disks over NBD at an address in the network, until {@link #stopNbd}.
     *
     * @return the address, with the port that the system has chosen if it was to
     * @throws dev.varve.vdi.StorageException {@code SR_GENERAL} when it cannot be listened at
     */
    InetSocketAddress serveNbd(NbdEndpoint endpoint);

    /**
     * Serves disks at an address no longer, and ends the connections that came to it.
     *
     * @param address as {@link #serveNbd} gave it
     */
    void stopNbd(InetSocketAddress address);

    /** What runs and how it does, one line each, for a person. */
    List<String> describe();

    /** How the engine does, in numbers. Asks no storage. */
    EngineStatus status();

    /** Ends everything; no disk may be active. */
    @Override
    void close();
}
