// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.vdi.Operation;

import java.net.URI;
import java.util.Map;
import java.util.UUID;

/**
 * The way of a disk to its user, in four steps: attach (the disk is known here), activate (its
 * image is opened and its claim taken; it serves I/O), deactivate (everything is on storage, the
 * claim is given up), detach.
 *
 * <p>Two hosts may have the same disk attached for writing, as during a move of a VM; only one can
 * have it activated.
 *
 * <p><b>Threads:</b> any. Calls on one disk are made one after the other by the caller.
 */
public interface Datapath {
    /** What there is to know about an activated disk: the counters of its I/O, by name. */
    record Status(boolean activated, URI nbd, Map<String, Long> counters) {
        /** Copies the map. */
        public Status {
            counters = Map.copyOf(counters);
        }
    }

    /** Makes a disk known. */
    void attach(SrSession session, UUID vdi, boolean readOnly);

    /**
     * Opens the image, takes the claim and serves the disk.
     *
     * @return the URI under which NBD clients reach it; always the same for the same disk
     */
    URI activate(UUID vdi, Operation operation);

    /**
     * Ends connections, brings everything to storage and gives the claim up. When the storage
     * answers nothing for some seconds, or not before the operation's deadline, the disk is cut off
     * and the call fails with DEVICE_DETACH_TIMEOUT. Whatever the failure, the disk is deactivated,
     * and what was flushed before is on storage.
     */
    void deactivate(UUID vdi, Operation operation);

    /** Forgets the disk. */
    void detach(UUID vdi);

    /** How an attached disk does. */
    Status status(UUID vdi);
}
