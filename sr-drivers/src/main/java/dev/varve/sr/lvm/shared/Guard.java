// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import dev.varve.sr.block.Reservations;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.util.Optional;
import java.util.UUID;

/**
 * Persistent reservations as the guard of the area, where the device has them: every host registers
 * a key, and whoever has none cannot write. So a host that is put out cannot write any more, even
 * if it has not noticed.
 */
final class Guard {
    private final String name;
    private volatile Optional<Reservations> reservations;
    private volatile long key;

    /**
     * @param host whose key it is
     */
    Guard(ClaimArea area, UUID host) {
        this.reservations = area.medium().reservations();
        this.name = area.name();
        this.key = reservations.isPresent() ? keyOf(host) : 0;
    }

    /** The key of a host: 0x5641 and 48 bits of its UUID. */
    static long keyOf(UUID host) {
        long mixed =
                host.getMostSignificantBits() ^ Long.rotateLeft(host.getLeastSignificantBits(), 32);
        long folded = (mixed ^ (mixed >>> 48)) & 0xFFFF_FFFF_FFFFL;
        return 0x5641_0000_0000_0000L | folded;
    }

    /** The key, 0 where the device has no reservations. */
    long key() {
        return key;
    }

    /**
     * Registers this host, and reserves the device if nobody has. A device that turns out to know
     * no reservations is used without.
     */
    void enter() {
        try {
            reservations.ifPresent(this::enter);
        } catch (StorageException e) {
            if (e.code() != ErrorCode.SR_NOT_IMPLEMENTED) {
                throw e;
            }
            reservations = Optional.empty();
            key = 0;
        }
    }

    /**
     * Reserves the device again when nobody has: one that was switched off may have forgotten it,
     * and would refuse nothing any more. The key itself is registered by the way to the device.
     */
    void renew() {
        reservations.ifPresent(Guard::reserveIfFree);
    }

    private static Optional<Reservations.Held> reserveIfFree(Reservations device) {
        Optional<Reservations.Held> held = device.held();
        if (held.isEmpty()) {
            device.reserve(Reservations.WRITE_EXCLUSIVE_ALL_REGISTRANTS);
        }
        return held;
    }

    private void enter(Reservations device) {
        device.register(key);
        Optional<Reservations.Held> held = reserveIfFree(device);
        if (held.isPresent() && held.get().type() != Reservations.WRITE_EXCLUSIVE_ALL_REGISTRANTS) {
            device.unregister();
            throw ErrorCode.DEVICE_IN_USE.because(
                    "%s is reserved by somebody else (key %x, type %d): end that use first"
                            .formatted(name, held.get().key(), held.get().type()));
        }
    }

    /** Takes the key of this host back. */
    void leave() {
        reservations.ifPresent(Reservations::unregister);
    }

    /** Whether another host can be kept from writing. */
    boolean canCutOff(long other) {
        return reservations.isPresent() && other != 0 && other != key;
    }

    /** Keeps another host from writing; nothing of it is carried out any more afterwards. */
    void cutOff(long other) {
        reservations.orElseThrow().preemptAndAbort(other);
    }
}
