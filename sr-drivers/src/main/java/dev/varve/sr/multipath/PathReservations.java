// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.multipath;

import dev.varve.sr.block.Reservations;
import dev.varve.sr.scsi.Cdb;
import dev.varve.sr.scsi.PersistentReserve;
import dev.varve.sr.scsi.ScsiDataException;
import dev.varve.sr.scsi.ScsiFailure;
import dev.varve.sr.scsi.ScsiOutcome;
import dev.varve.sr.scsi.ScsiPort;
import dev.varve.sr.scsi.ScsiStatus;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.lang.foreign.MemorySegment;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Persistent reservations of a LUN over all paths of this host to it. A key is registered for each
 * path by itself; whatever else is done or asked goes over the first path that takes it.
 *
 * <p><b>Threads:</b> any that may wait; changes go one after the other.
 */
public final class PathReservations implements Reservations {
    /** A command over one path. */
    private interface Command {
        ScsiOutcome over(ScsiPort port);
    }

    /** What was answered, and over which path. */
    private record Answer(ScsiPort port, ScsiOutcome outcome) {}

    private final Supplier<List<ScsiPort>> ports;

    /** The key of this host, 0 when it has none. */
    private volatile long key;

    /** The names of the paths for which it is registered. */
    private final Set<String> registered = new HashSet<>();

    /**
     * @param ports the paths as they are now, asked for each call
     */
    public PathReservations(Supplier<List<ScsiPort>> ports) {
        this.ports = ports;
    }

    /** Whether the LUN knows persistent reservations at all; false while it cannot be reached. */
    public boolean isSupported() {
        for (ScsiPort port : require()) {
            try {
                return !in(port, PersistentReserve.READ_KEYS).isUnsupported();
            } catch (StorageException e) {
                // The next path may tell.
            }
        }
        return false;
    }

    // ---- looking

    @Override
    public List<Long> keys() {
        ScsiOutcome outcome =
                first("cannot read the keys", port -> in(port, PersistentReserve.READ_KEYS));
        try {
            return PersistentReserve.keys(outcome.data());
        } catch (ScsiDataException e) {
            throw malformed(e);
        }
    }

    @Override
    public Optional<Held> held() {
        ScsiOutcome outcome =
                first(
                        "cannot read the reservation",
                        port -> in(port, PersistentReserve.READ_RESERVATION));
        try {
            return PersistentReserve.holder(outcome.data())
                    .map(holder -> new Held(holder.key(), holder.type()));
        } catch (ScsiDataException e) {
            throw malformed(e);
        }
    }

    private static StorageException malformed(ScsiDataException e) {
        return ErrorCode.SR_IO_ERROR.because(
                "the answer to PERSISTENT RESERVE IN is malformed: " + e.getMessage(), e);
    }

    // ---- changing

    @Override
    public synchronized void register(long newKey) {
        if (newKey == 0) {
            throw new IllegalArgumentException("0 is no key");
        }
        List<ScsiPort> all = require();
        registered.clear();
        for (ScsiPort port : all) {
            registerOver(port, newKey);
            registered.add(port.name());
        }
        key = newKey;
    }

    private static void registerOver(ScsiPort port, long newKey) {
        String what = "cannot register a key";
        ScsiOutcome outcome = out(port, PersistentReserve.REGISTER_AND_IGNORE_KEY, 0, 0, newKey);
        good(what, new Answer(port, outcome));
    }

    /**
     * Registers the key over paths that have come since. A path without it may not write while
     * others may, so this is called before a path is used.
     */
    public synchronized void registerNewPaths() {
        if (key == 0) {
            return;
        }
        List<ScsiPort> all = require();
        Set<String> names = new HashSet<>();
        for (ScsiPort port : all) {
            names.add(port.name());
            if (!registered.contains(port.name())) {
                registerOver(port, key);
                registered.add(port.name());
            }
        }
        registered.retainAll(names);
    }

    /** A path that cannot be reached keeps its key; the next registration takes it over. */
    @Override
    public synchronized void unregister() {
        StorageException failure = null;
        for (ScsiPort port : require()) {
            try {
                registerOver(port, 0);
            } catch (StorageException e) {
                failure = e;
            }
        }
        registered.clear();
        key = 0;
        if (failure != null) {
            throw failure;
        }
    }

    @Override
    public synchronized void reserve(int type) {
        first("cannot reserve", port -> out(port, PersistentReserve.RESERVE, type, key, 0));
    }

    /**
     * The type is that of the reservation that is there. Where the LUN does not know PREEMPT AND
     * ABORT, the key is taken away first, which keeps new commands out, and then the LUN is reset,
     * which ends all that are in flight; the kernel sends those of this host again.
     */
    @Override
    public synchronized void preemptAndAbort(long other) {
        int type = held().map(Held::type).orElse(WRITE_EXCLUSIVE_ALL_REGISTRANTS);
        Answer answer = preempt(PersistentReserve.PREEMPT_AND_ABORT, type, other);
        if (answer.outcome().isUnsupported()) {
            answer = preempt(PersistentReserve.PREEMPT, type, other);
            if (answer.outcome().isGood() || isGone(answer, other)) {
                answer.port().reset();
            }
        }
        if (!isGone(answer, other)) {
            good("cannot take a key away", answer);
        }
    }

    private Answer preempt(int action, int type, long other) {
        return answer(port -> out(port, action, type, key, other));
    }

    /** A conflict about the key of the other, which has left or was taken away, and not ours. */
    private boolean isGone(Answer answer, long other) {
        if (answer.outcome().status() != ScsiStatus.RESERVATION_CONFLICT) {
            return false;
        }
        List<Long> now = keys();
        return now.contains(key) && !now.contains(other);
    }

    // ---- commands

    private List<ScsiPort> require() {
        List<ScsiPort> all = ports.get();
        if (all.isEmpty()) {
            throw ErrorCode.SR_UNAVAILABLE.because("there is no path to the LUN");
        }
        return all;
    }

    /** A path that is away leaves it to the next one; what the LUN answers is the answer. */
    private Answer answer(Command command) {
        StorageException failure = null;
        for (ScsiPort port : require()) {
            try {
                return new Answer(port, command.over(port));
            } catch (StorageException e) {
                failure = e;
            }
        }
        throw failure;
    }

    private ScsiOutcome first(String what, Command command) {
        return good(what, answer(command));
    }

    private static ScsiOutcome good(String what, Answer answer) {
        if (!answer.outcome().isGood()) {
            throw ScsiFailure.of(answer.outcome(), what, answer.port().name());
        }
        return answer.outcome();
    }

    private static ScsiOutcome in(ScsiPort port, int action) {
        byte[] cdb = new byte[Cdb.BYTES];
        Cdb.persistentReserveIn(MemorySegment.ofArray(cdb), 0, action, PersistentReserve.ROOM);
        return port.execute(cdb, new byte[0], PersistentReserve.ROOM);
    }

    private static ScsiOutcome out(
            ScsiPort port, int action, int type, long ownKey, long otherKey) {
        byte[] cdb = new byte[Cdb.BYTES];
        Cdb.persistentReserveOut(MemorySegment.ofArray(cdb), 0, action, type);
        return port.execute(cdb, PersistentReserve.parameters(ownKey, otherKey), 0);
    }
}
