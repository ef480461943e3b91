// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.CrashMedium;
import dev.varve.sr.block.Reservations;
import dev.varve.sr.contract.Errors;
import dev.varve.sr.host.Holder;
import dev.varve.sr.lvm.ForwardingMedium;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.time.RandomSource;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.UUID;

/** What hosts do with the reservations of a device. */
class GuardTest {
    private static final UUID HOST = new UUID(3, 1);

    /** Those of a device, as one host sees them. */
    private static final class Device implements Reservations {
        private final List<Long> keys = new ArrayList<>();
        private Optional<Held> held = Optional.empty();
        private boolean knowsNone;

        private void need() {
            if (knowsNone) {
                throw ErrorCode.SR_NOT_IMPLEMENTED.because("no persistent reservations");
            }
        }

        @Override
        public List<Long> keys() {
            need();
            return keys;
        }

        @Override
        public Optional<Held> held() {
            need();
            return held;
        }

        @Override
        public void register(long key) {
            need();
            keys.add(key);
        }

        @Override
        public void unregister() {
            need();
            keys.clear();
        }

        @Override
        public void reserve(int type) {
            need();
            held = Optional.of(new Held(keys.getFirst(), type));
        }

        @Override
        public void preemptAndAbort(long key) {
            need();
            keys.remove(key);
        }
    }

    private final CrashMedium medium = new CrashMedium("device", ClaimArea.bytes(3), 512);
    private final SimulatedTime time = new SimulatedTime();
    private final Device device = new Device();

    @BeforeEach
    void makeArea() {
        ClaimArea.format(medium, 0, ClaimArea.bytes(3), new UUID(1, 1), new UUID(5, 5));
    }

    private SharedClaims attach() {
        ForwardingMedium seen =
                new ForwardingMedium(medium) {
                    @Override
                    public Optional<Reservations> reservations() {
                        return Optional.of(device);
                    }
                };
        return SharedClaims.attach(
                ClaimArea.open(seen, 0),
                HOST,
                new Holder("boot", "pid:[1]", 1, 1),
                ClaimSettings.shared(),
                time,
                RandomSource.of(new Random(1)),
                time);
    }

    private long keyOnTheDevice() {
        byte[] record = ClaimArea.open(medium, 0).readRecord(0);
        return HostRecord.parse(record, new UUID(5, 5)).orElseThrow().key();
    }

    @Test
    void deviceIsReservedForThoseWhoHaveAKey() {
        SharedClaims claims = attach();
        assertEquals(List.of(Guard.keyOf(HOST)), device.keys);
        assertEquals(
                Reservations.WRITE_EXCLUSIVE_ALL_REGISTRANTS, device.held.orElseThrow().type());
        assertNotEquals(0, keyOnTheDevice());
        claims.close();
        assertEquals(List.of(), device.keys);
    }

    @Test
    void reservationThatTheDeviceHasForgottenIsMadeAgain() {
        SharedClaims claims = attach();
        device.held = Optional.empty();
        claims.beat();
        assertTrue(device.held.isPresent());
    }

    /** Whatever becomes of it, the host lives. */
    @Test
    void beatCountsThoughTheReservationFails() {
        SharedClaims claims = attach();
        device.knowsNone = true;
        time.pass(ClaimSettings.shared().fenceNanos() + 1);
        assertTrue(claims.isFenced());
        Errors.assertFails(ErrorCode.SR_NOT_IMPLEMENTED, claims::beat);
        assertFalse(claims.isFenced());
    }

    @Test
    void deviceThatKnowsNoReservationsIsUsedWithout() {
        device.knowsNone = true;
        SharedClaims claims = attach();
        claims.beat();
        assertEquals(0, keyOnTheDevice());
        claims.close();
    }
}
