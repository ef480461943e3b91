// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.session;

import dev.varve.sr.block.Reservations;
import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.LoggedIn;
import dev.varve.sr.iscsi.wire.ConnectionLostException;
import dev.varve.sr.scsi.Cdb;
import dev.varve.sr.scsi.Lun;
import dev.varve.sr.scsi.PersistentReserve;
import dev.varve.sr.scsi.ScsiDataException;
import dev.varve.sr.scsi.ScsiFailure;
import dev.varve.sr.scsi.ScsiOutcome;
import dev.varve.sr.scsi.ScsiPort;
import dev.varve.sr.scsi.ScsiStatus;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Persistent reservations of a LUN behind iSCSI. A device knows keys by nexus: each session is one,
 * those of control and those of every lane on every path. So a key is registered through all
 * sessions that there are, and through each new one before anybody else uses it ({@link #prepare}).
 *
 * <p><b>Threads:</b> any that may wait; one change at a time.
 *
 * <p><b>Errors:</b> as {@link ControlSession}; SR_NOT_WRITABLE when the key of this host is not
 * registered any more, because another host took it away; SR_NOT_IMPLEMENTED when the device has no
 * persistent reservations.
 */
public final class IscsiReservations implements Reservations {
    private static final int MAX_ATTENTIONS = 32;
    private static final int NO_TYPE = 0;

    private final long lun;
    private final Supplier<List<ScsiPort>> nexuses;
    private long registered;

    /**
     * Over the ways to a LUN.
     *
     * @param lun the eight bytes of its number
     * @param nexuses a way through each session that is alive now; the first one is asked for what
     *     the device knows. Never empty. A session that comes to life later goes through {@link
     *     #prepare}, and one that comes to life while this is called must do both
     */
    public IscsiReservations(long lun, Supplier<List<ScsiPort>> nexuses) {
        this.lun = lun;
        this.nexuses = nexuses;
    }

    // ---- asking

    private interface Parser<T> {
        T parse(byte[] data) throws ScsiDataException;
    }

    private <T> T ask(int action, String what, Parser<T> parser) {
        byte[] cdb = new byte[Cdb.BYTES];
        Cdb.persistentReserveIn(MemorySegment.ofArray(cdb), 0, action, PersistentReserve.ROOM);
        ScsiPort port = nexuses.get().getFirst();
        ScsiOutcome outcome = port.execute(cdb, new byte[0], PersistentReserve.ROOM);
        check(outcome, "cannot read " + what, port);
        try {
            return parser.parse(outcome.data());
        } catch (ScsiDataException e) {
            throw ErrorCode.ISCSI_DEVICE.because(
                    "%s of %s are malformed: %s".formatted(what, port.name(), e.getMessage()), e);
        }
    }

    private static void check(ScsiOutcome outcome, String what, ScsiPort port) {
        if (outcome.isUnsupported()) {
            throw ErrorCode.SR_NOT_IMPLEMENTED.because(
                    port.name() + " has no persistent reservations: " + outcome.words());
        }
        if (!outcome.isGood()) {
            throw ScsiFailure.of(outcome, what, port.name());
        }
    }

    @Override
    public List<Long> keys() {
        return ask(PersistentReserve.READ_KEYS, "the keys", PersistentReserve::keys);
    }

    @Override
    public Optional<Held> held() {
        return ask(PersistentReserve.READ_RESERVATION, "the reservation", PersistentReserve::holder)
                .map(holder -> new Held(holder.key(), holder.type()));
    }

    // ---- changing

    private static byte[] command(int action, int type) {
        byte[] cdb = new byte[Cdb.BYTES];
        Cdb.persistentReserveOut(MemorySegment.ofArray(cdb), 0, action, type);
        return cdb;
    }

    private static ScsiOutcome out(ScsiPort port, int action, int type, long own, long other) {
        return port.execute(command(action, type), PersistentReserve.parameters(own, other), 0);
    }

    @Override
    public synchronized void register(long key) {
        if (key == 0) {
            throw new IllegalArgumentException("0 is no key");
        }
        registered = key; // first, so that a session that is made meanwhile registers it as well
        registerEverywhere(key, "cannot register a key");
    }

    @Override
    public synchronized void unregister() {
        registered = 0;
        registerEverywhere(0, "cannot take the key back");
    }

    private void registerEverywhere(long key, String what) {
        for (ScsiPort port : nexuses.get()) {
            check(
                    out(port, PersistentReserve.REGISTER_AND_IGNORE_KEY, NO_TYPE, 0, key),
                    what,
                    port);
        }
    }

    @Override
    public synchronized void reserve(int type) {
        ScsiPort port = nexuses.get().getFirst();
        check(
                out(port, PersistentReserve.RESERVE, type, own(), 0),
                "cannot make a reservation",
                port);
    }

    private long own() {
        if (registered == 0) {
            throw new IllegalStateException("no key is registered");
        }
        return registered;
    }

    /**
     * Where the device does not know PREEMPT AND ABORT, the key is taken away first, which keeps
     * new commands out, and then the unit is reset, which ends all that are in flight, ours as
     * well.
     */
    @Override
    public synchronized void preemptAndAbort(long key) {
        int type = held().map(Held::type).orElse(WRITE_EXCLUSIVE_ALL_REGISTRANTS);
        ScsiPort port = nexuses.get().getFirst();
        ScsiOutcome outcome = out(port, PersistentReserve.PREEMPT_AND_ABORT, type, own(), key);
        if (outcome.isUnsupported()) {
            outcome = out(port, PersistentReserve.PREEMPT, type, own(), key);
            if (outcome.isGood() || isGone(outcome, key)) {
                port.reset();
            }
        }
        if (!isGone(outcome, key)) {
            check(outcome, "cannot take the key %016x away".formatted(key), port);
        }
    }

    /**
     * A conflict about the key of the other, which has left or was taken away already, not ours.
     */
    private boolean isGone(ScsiOutcome outcome, long key) {
        if (outcome.status() != ScsiStatus.RESERVATION_CONFLICT) {
            return false;
        }
        List<Long> keys = keys();
        return keys.contains(registered) && !keys.contains(key);
    }

    // ---- new sessions

    /**
     * Makes a session that was just logged in ready for use: registers the key of this host for it,
     * where there is one, and takes the UNIT ATTENTION that every new session begins with. For the
     * data path, before a lane gets the session.
     *
     * @return the session with the numbers that it has afterwards; the one given is of no more use
     * @throws StorageException SR_UNAVAILABLE when the connection broke, which closes the session;
     *     the errors of the command otherwise, which close it as well
     */
    public LoggedIn prepare(LoggedIn session, Deadline deadline) {
        ControlConnection connection = new ControlConnection(session);
        boolean ready = false;
        try {
            byte[] cdb = new byte[Cdb.BYTES];
            Cdb.testUnitReady(MemorySegment.ofArray(cdb), 0);
            execute(connection, cdb, new byte[0], deadline);
            registerAt(connection, session, deadline);
            ready = true;
            return connection.release();
        } catch (ConnectionLostException e) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "the connection to %s was lost: %s".formatted(session.portal(), e.getMessage()),
                    e);
        } finally {
            if (!ready) {
                connection.close();
            }
        }
    }

    private synchronized void registerAt(
            ControlConnection connection, LoggedIn session, Deadline deadline)
            throws ConnectionLostException {
        if (registered == 0) {
            return;
        }
        ScsiOutcome outcome =
                execute(
                        connection,
                        command(PersistentReserve.REGISTER_AND_IGNORE_KEY, NO_TYPE),
                        PersistentReserve.parameters(0, registered),
                        deadline);
        if (!outcome.isGood()) {
            String name = "LUN %d at %s".formatted(Lun.number(lun), session.portal());
            throw ScsiFailure.of(outcome, "cannot register a key", name);
        }
    }

    private ScsiOutcome execute(
            ControlConnection connection, byte[] cdb, byte[] out, Deadline deadline)
            throws ConnectionLostException {
        ScsiOutcome outcome = connection.execute(lun, cdb, out, 0, deadline);
        for (int i = 0; i < MAX_ATTENTIONS && ControlSession.isAttention(outcome); i++) {
            outcome = connection.execute(lun, cdb, out, 0, deadline);
        }
        return outcome;
    }
}
