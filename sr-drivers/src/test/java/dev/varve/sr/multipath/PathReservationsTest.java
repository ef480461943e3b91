// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.block.Reservations;
import dev.varve.sr.contract.Errors;
import dev.varve.sr.scsi.Cdb;
import dev.varve.sr.scsi.PersistentReserve;
import dev.varve.sr.scsi.ScsiOutcome;
import dev.varve.sr.scsi.ScsiPort;
import dev.varve.sr.scsi.ScsiStatus;
import dev.varve.sr.scsi.Sense;
import dev.varve.vdi.ErrorCode;

import org.junit.jupiter.api.Test;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

class PathReservationsTest {
    private static final int TYPE = Reservations.WRITE_EXCLUSIVE_ALL_REGISTRANTS;

    /** What a LUN keeps: a key for each path, and the reservation of all of them. */
    private final Map<String, Long> keys = new LinkedHashMap<>();

    private final List<ScsiPort> paths = new ArrayList<>();
    private int reserved;
    private int resets;
    private boolean aborts = true;
    private boolean unsupported;

    private final class Port implements ScsiPort {
        private final String name;
        boolean away;

        Port(String name) {
            this.name = name;
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public ScsiOutcome execute(byte[] cdb, byte[] out, int room) {
            if (away) {
                throw ErrorCode.SR_UNAVAILABLE.because(name + " is away");
            }
            if (unsupported) {
                return unknown();
            }
            return (cdb[0] & 0xFF) == Cdb.PERSISTENT_RESERVE_IN
                    ? in(cdb[1])
                    : out(cdb[1], cdb[2], ByteBuffer.wrap(out));
        }

        private static ScsiOutcome unknown() {
            int sense = Sense.ILLEGAL_REQUEST << 16 | Sense.INVALID_COMMAND;
            return new ScsiOutcome(ScsiStatus.CHECK_CONDITION, sense, new byte[0]);
        }

        @Override
        public void reset() {
            resets++;
        }

        private ScsiOutcome in(int action) {
            ByteBuffer data = ByteBuffer.allocate(256).putInt(1);
            if (action == PersistentReserve.READ_KEYS) {
                data.putInt(keys.size() * Long.BYTES);
                keys.values().forEach(data::putLong);
            } else {
                data.putInt(reserved == 0 ? 0 : 16);
                data.putLong(0).putInt(0).put((byte) 0).put((byte) reserved).putShort((short) 0);
            }
            return new ScsiOutcome(ScsiStatus.GOOD, Sense.NONE, data.array());
        }

        private ScsiOutcome out(int action, int type, ByteBuffer parameters) {
            long own = parameters.getLong(0);
            long other = parameters.getLong(8);
            boolean mine = own != 0 && Long.valueOf(own).equals(keys.get(name));
            if (action == PersistentReserve.REGISTER_AND_IGNORE_KEY) {
                keys.remove(name);
                if (other != 0) {
                    keys.put(name, other);
                }
                reserved = keys.isEmpty() ? 0 : reserved;
            } else if (!mine) {
                return new ScsiOutcome(ScsiStatus.RESERVATION_CONFLICT, Sense.NONE, new byte[0]);
            } else if (action == PersistentReserve.RESERVE) {
                reserved = type;
            } else if (action == PersistentReserve.PREEMPT_AND_ABORT && !aborts) {
                return unknown();
            } else {
                assertTrue(
                        action == PersistentReserve.PREEMPT_AND_ABORT
                                || action == PersistentReserve.PREEMPT);
                assertEquals(reserved, type);
                if (!keys.containsValue(other)) {
                    return new ScsiOutcome(
                            ScsiStatus.RESERVATION_CONFLICT, Sense.NONE, new byte[0]);
                }
                keys.values().removeIf(key -> key == other);
            }
            return new ScsiOutcome(ScsiStatus.GOOD, Sense.NONE, new byte[0]);
        }
    }

    private Port path(String name) {
        Port port = new Port(name);
        paths.add(port);
        return port;
    }

    private final PathReservations reservations = new PathReservations(() -> List.copyOf(paths));

    @Test
    void keyIsRegisteredForEachPathAndForThoseThatComeLater() {
        path("sda");
        path("sdb");
        reservations.registerNewPaths();
        assertEquals(Map.of(), keys);
        reservations.register(7);
        assertEquals(Map.of("sda", 7L, "sdb", 7L), keys);
        paths.removeFirst();
        path("sdc");
        reservations.registerNewPaths();
        assertEquals(7, keys.get("sdc"));
        // The same node, plugged in anew, is a new path to the LUN.
        keys.remove("sda");
        path("sda");
        reservations.registerNewPaths();
        assertEquals(7, keys.get("sda"));
        reservations.unregister();
        assertEquals(Map.of(), keys);
    }

    @Test
    void reservationIsHeldAndAnotherHostIsPutOut() {
        path("sda");
        path("sdb");
        keys.put("other host", 9L);
        reservations.register(7);
        assertEquals(Optional.empty(), reservations.held());
        reservations.reserve(TYPE);
        assertEquals(TYPE, reservations.held().orElseThrow().type());
        assertEquals(List.of(9L, 7L, 7L), reservations.keys());
        reservations.preemptAndAbort(9);
        assertEquals(List.of(7L, 7L), reservations.keys());
    }

    @Test
    void lunThatCannotAbortIsResetWhenTheKeyIsTakenAway() {
        aborts = false;
        path("sda");
        keys.put("other host", 9L);
        reservations.register(7);
        reservations.reserve(TYPE);
        reservations.preemptAndAbort(9);
        assertEquals(List.of(7L), reservations.keys());
        assertEquals(1, resets);
        // Once more, by a host that does not know how far it had come.
        reservations.preemptAndAbort(9);
        assertEquals(2, resets);
        keys.put("sda", 8L);
        Errors.assertFails(ErrorCode.SR_NOT_WRITABLE, () -> reservations.preemptAndAbort(9));
    }

    @Test
    void pathThatIsAwayLeavesItToTheNextOneButIsNotRegisteredInSilence() {
        Port away = path("sda");
        path("sdb");
        reservations.register(7);
        away.away = true;
        reservations.reserve(TYPE);
        assertEquals(2, reservations.keys().size());
        Errors.assertFails(ErrorCode.SR_UNAVAILABLE, () -> reservations.register(8));
        paths.clear();
        Errors.assertFails(ErrorCode.SR_UNAVAILABLE, reservations::keys);
    }

    @Test
    void whatTheLunRefusesIsTheAnswer() {
        path("sda");
        path("sdb");
        Errors.assertFails(ErrorCode.SR_NOT_WRITABLE, () -> reservations.reserve(TYPE));
        assertThrows(IllegalArgumentException.class, () -> reservations.register(0));
    }

    @Test
    void lunWithoutReservationsSaysSo() {
        Port away = path("sda");
        away.away = true;
        assertFalse(reservations.isSupported());
        path("sdb");
        assertTrue(reservations.isSupported());
        unsupported = true;
        assertFalse(reservations.isSupported());
    }
}
