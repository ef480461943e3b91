// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.block;

import java.util.List;
import java.util.Optional;

/**
 * Persistent reservations of a SCSI device (SPC-4, 5.13 and 6.15): each host registers a key over
 * all its paths, and a host that holds the reservation can take the keys of others away, after
 * which the device refuses their writes.
 *
 * <p><b>Threads:</b> any; calls block on the device.
 */
public interface Reservations {
    /** Who holds the reservation, and what kind it is (the TYPE of SPC-4, table 46). */
    record Held(long key, int type) {}

    /** Write Exclusive, All Registrants: whoever is registered may write, others may only read. */
    int WRITE_EXCLUSIVE_ALL_REGISTRANTS = 7;

    /** The keys that are registered now, one entry for each path of each host. */
    List<Long> keys();

    /** The reservation, when there is one. */
    Optional<Held> held();

    /**
     * Registers a key for all paths of this host, whatever was registered for them before, and
     * again for every path that is made anew later.
     *
     * @param key not 0
     */
    void register(long key);

    /** Takes the key of this host back from all its paths; the reservation goes with the last. */
    void unregister();

    /** Reserves the device, as {@link Held#type()} says. The key must be registered. */
    void reserve(int type);

    /**
     * Takes away the key of another host and ends what that host has in flight (PREEMPT AND ABORT).
     * When this returns, nothing of it is carried out any more.
     */
    void preemptAndAbort(long key);
}
