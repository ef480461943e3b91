// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.block.Reservations;
import dev.varve.sr.iscsi.session.IscsiReservations;

import java.util.List;
import java.util.Optional;

/**
 * Reservations of a unit over the sessions of all lanes: those that are there, and those that are
 * made later, which register the key before they carry anything.
 *
 * <p><b>Threads:</b> any that may wait; one change at a time.
 */
final class LunReservations implements Reservations {
    private final LunDevice device;
    private final Runnable ensurePath;
    private final IscsiReservations reservations;

    /**
     * @param ensurePath returns when there is a session, or fails
     */
    LunReservations(LunDevice device, Runnable ensurePath) {
        this.device = device;
        this.ensurePath = ensurePath;
        reservations = new IscsiReservations(device.lun(), device::ports);
    }

    @Override
    public List<Long> keys() {
        ensurePath.run();
        return reservations.keys();
    }

    @Override
    public Optional<Held> held() {
        ensurePath.run();
        return reservations.held();
    }

    /**
     * Sessions that are made after the first pass find the key registered and register it as well;
     * those that are made between it and the rest get it by the second.
     */
    @Override
    public synchronized void register(long key) {
        ensurePath.run();
        reservations.register(key);
        device.useKey(key);
        reservations.register(key);
    }

    @Override
    public synchronized void unregister() {
        ensurePath.run();
        device.useKey(0);
        reservations.unregister();
    }

    @Override
    public synchronized void reserve(int type) {
        ensurePath.run();
        reservations.reserve(type);
    }

    @Override
    public synchronized void preemptAndAbort(long key) {
        ensurePath.run();
        reservations.preemptAndAbort(key);
    }
}
