// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.session;

import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.LoggedIn;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.sr.iscsi.login.Connector;
import dev.varve.sr.iscsi.pdu.TaskManagementResponse;
import dev.varve.sr.iscsi.wire.ConnectionLostException;
import dev.varve.sr.scsi.Cdb;
import dev.varve.sr.scsi.Lun;
import dev.varve.sr.scsi.ScsiDataException;
import dev.varve.sr.scsi.ScsiFailure;
import dev.varve.sr.scsi.ScsiOutcome;
import dev.varve.sr.scsi.ScsiPort;
import dev.varve.sr.scsi.ScsiStatus;
import dev.varve.sr.scsi.Sense;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.time.Clock;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A session with a target for control work. It connects when it is first used, and again, under the
 * same ISID, when the connection has broken. The new login ends the old session at the target, so a
 * command that had no status yet is repeated without the danger that both are carried out in the
 * wrong order; one that had its status is never repeated.
 *
 * <p>What passes is tried again until the deadline of the command: UNIT ATTENTION, BUSY, TASK SET
 * FULL, a unit that is becoming ready, a target that does not answer or has no room. RESERVATION
 * CONFLICT and all other errors are outcomes at once. A command that the target aborts each time is
 * sent {@value #MAX_ABORTED} times; then its sense is the outcome.
 *
 * <p>Between commands nobody listens: a target that asks for a sign of life meanwhile gets it with
 * the next command. One that has ended the connection by then is logged in to anew, and the caller
 * does not notice.
 *
 * <p><b>Threads:</b> any that may wait; one command at a time, others wait for it.
 *
 * <p><b>Durability:</b> a target may forget what was not flushed when it is started anew, or its
 * unit reset. {@link #losses()} counts the times when that may have happened.
 *
 * <p><b>Errors:</b> SR_UNAVAILABLE when the target does not answer in time; ISCSI_LOGIN when it
 * refuses us; DNS_ERROR.
 */
public final class ControlSession implements AutoCloseable {
    /** How long a command may take with all that is tried again, in milliseconds. */
    public static final long DEFAULT_TIMEOUT_MILLIS = 60_000;

    private static final Logger LOG = LoggerFactory.getLogger(ControlSession.class);
    private static final int LUN_LIST_ROOM = 8 + 512 * Long.BYTES;
    private static final int MAX_ATTENTIONS = 32;
    private static final int MAX_ABORTED = 8;
    private static final long GOODBYE_MILLIS = 2000;
    private static final long REPORT_LUN = 0; // where REPORT LUNS is always answered

    private final SessionSpec spec;
    private final Connector connector;
    private final Clock clock;
    private final long timeoutMillis;
    private ControlConnection connection;
    private boolean everConnected;
    private boolean closed;
    private final AtomicLong losses = new AtomicLong();

    /**
     * One that is not connected yet.
     *
     * @param spec whose ISID no other session to the target may have at the same time
     * @param timeoutMillis how long a command may take with all that is tried again
     */
    public ControlSession(SessionSpec spec, Connector connector, Clock clock, long timeoutMillis) {
        this.spec = spec;
        this.connector = connector;
        this.clock = clock;
        this.timeoutMillis = timeoutMillis;
    }

    /** The target and the portal, for messages. */
    public String name() {
        return spec.name();
    }

    /** What it was made for. */
    public SessionSpec spec() {
        return spec;
    }

    /**
     * How often what had not been flushed may have been lost: resets, and connections made again.
     */
    public long losses() {
        return losses.get();
    }

    /** A way to one of the LUNs, by the eight bytes of its number. */
    public ScsiPort port(long lun) {
        return new ScsiPort() {
            @Override
            public String name() {
                return "LUN %d of %s".formatted(Lun.number(lun), spec.name());
            }

            @Override
            public ScsiOutcome execute(byte[] cdb, byte[] out, int room) {
                return ControlSession.this.execute(lun, cdb, out, room);
            }

            @Override
            public void reset() {
                ControlSession.this.reset(lun);
            }
        };
    }

    /** The LUNs that the target shows us, each as the eight bytes of its number. */
    public List<Long> luns() {
        byte[] cdb = new byte[Cdb.BYTES];
        Cdb.reportLuns(MemorySegment.ofArray(cdb), 0, LUN_LIST_ROOM);
        ScsiOutcome outcome = execute(REPORT_LUN, cdb, new byte[0], LUN_LIST_ROOM);
        if (!outcome.isGood()) {
            throw ScsiFailure.of(outcome, "cannot list the LUNs", name());
        }
        try {
            return Lun.parseList(outcome.data());
        } catch (ScsiDataException e) {
            throw ErrorCode.ISCSI_DEVICE.because(
                    "the list of LUNs of %s is malformed: %s".formatted(name(), e.getMessage()), e);
        }
    }

    /** Asks the target for a sign of life, connecting where that is needed. */
    public synchronized void ping() {
        attempt(
                Deadline.in(clock, timeoutMillis),
                (live, deadline) -> {
                    live.ping(deadline);
                    return Boolean.TRUE;
                });
    }

    /** Carries a command out at a LUN, as {@link ScsiPort#execute} says. */
    public synchronized ScsiOutcome execute(long lun, byte[] cdb, byte[] out, int room) {
        Deadline deadline = Deadline.in(clock, timeoutMillis);
        Pause pause = new Pause();
        int attentions = 0;
        int aborted = 0;
        while (true) {
            ScsiOutcome outcome =
                    attempt(deadline, (live, end) -> live.execute(lun, cdb, out, room, end));
            noteLoss(outcome);
            if (isAttention(outcome) && ++attentions <= MAX_ATTENTIONS) {
                continue;
            }
            if (isAborted(outcome) && ++aborted == MAX_ABORTED) {
                return outcome;
            }
            if (!passes(outcome) || !pause.beforeNextTry(deadline)) {
                return outcome;
            }
        }
    }

    private synchronized void reset(long lun) {
        int response =
                attempt(
                        Deadline.in(clock, timeoutMillis),
                        (live, deadline) -> live.reset(lun, deadline));
        if (response != TaskManagementResponse.COMPLETE) {
            throw ErrorCode.SR_NOT_IMPLEMENTED.because(
                    "LUN %d of %s does not let itself be reset (response %d)"
                            .formatted(Lun.number(lun), name(), response));
        }
    }

    static boolean isAttention(ScsiOutcome outcome) {
        return outcome.status() == ScsiStatus.CHECK_CONDITION
                && Sense.key(outcome.sense()) == Sense.UNIT_ATTENTION;
    }

    private static boolean isAborted(ScsiOutcome outcome) {
        return outcome.status() == ScsiStatus.CHECK_CONDITION
                && Sense.key(outcome.sense()) == Sense.ABORTED_COMMAND;
    }

    private void noteLoss(ScsiOutcome outcome) {
        if (isAttention(outcome) && Sense.code(outcome.sense()) == Sense.RESET_OCCURRED) {
            losses.incrementAndGet();
        }
    }

    private static boolean passes(ScsiOutcome outcome) {
        return switch (outcome.status()) {
            case ScsiStatus.BUSY, ScsiStatus.TASK_SET_FULL, ScsiStatus.TASK_ABORTED -> true;
            case ScsiStatus.CHECK_CONDITION ->
                    switch (Sense.key(outcome.sense())) {
                        case Sense.ABORTED_COMMAND, Sense.UNIT_ATTENTION -> true;
                        case Sense.NOT_READY ->
                                Sense.codeAndQualifier(outcome.sense()) == Sense.BECOMING_READY;
                        default -> false;
                    };
            default -> false;
        };
    }

    // ---- connection

    private interface Work<T> {
        T run(ControlConnection live, Deadline deadline) throws ConnectionLostException;
    }

    private <T> T attempt(Deadline deadline, Work<T> work) {
        Pause pause = new Pause();
        while (true) {
            StorageException failure;
            try {
                return work.run(connected(deadline), deadline);
            } catch (ConnectionLostException e) {
                drop();
                failure = unreachable(e);
            } catch (StorageException e) {
                failure = e.code() == ErrorCode.ISCSI_TARGET ? unreachable(e) : e;
                if (!mayPass(failure)) {
                    throw failure;
                }
            }
            if (!pause.beforeNextTry(deadline)) {
                throw failure;
            }
        }
    }

    private StorageException unreachable(Exception cause) {
        return ErrorCode.SR_UNAVAILABLE.because(
                "%s cannot be reached: %s".formatted(name(), cause.getMessage()), cause);
    }

    /** A target that has let us in once may refuse us for a moment while it is started anew. */
    private boolean mayPass(StorageException failure) {
        return switch (failure.code()) {
            case SR_UNAVAILABLE -> !closed;
            case ISCSI_LOGIN, DNS_ERROR -> everConnected;
            default -> false;
        };
    }

    private ControlConnection connected(Deadline deadline) throws ConnectionLostException {
        if (closed) {
            throw ErrorCode.SR_UNAVAILABLE.because("the session with " + name() + " is closed");
        }
        if (connection != null) {
            connection.catchUp(deadline);
            return connection;
        }
        LoggedIn session = connector.logIn(spec, deadline);
        if (everConnected) {
            losses.incrementAndGet();
        }
        everConnected = true;
        connection = new ControlConnection(session);
        return connection;
    }

    private void drop() {
        if (connection != null) {
            connection.close();
            connection = null;
        }
    }

    /** Logs out where that is possible within two seconds; else the connection is dropped. */
    @Override
    public synchronized void close() {
        closed = true;
        if (connection == null) {
            return;
        }
        try {
            connection.logOut(Deadline.in(clock, GOODBYE_MILLIS));
        } catch (ConnectionLostException e) {
            // A target that is not there any more, or does not answer, needs no goodbye.
            LOG.debug("no logout from {}: {}", name(), e.getMessage());
        } finally {
            drop();
        }
    }
}
