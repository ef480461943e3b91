// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.LoggedIn;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.sr.scsi.ScsiStatus;
import dev.varve.sr.scsi.Sense;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.ffi.Libc;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * A lane's way to the unit by one portal: one nexus, under one name, made again and again.
 *
 * <p>When a session breaks, the target may still carry out changes that it has got and not
 * answered. They are in doubt, and stay with the path, until the old nexus is known to have ended:
 * a login under the same name has succeeded, here or at another portal of the same group, which
 * ends the old session and its tasks (RFC 7143, 6.3.5).
 *
 * <p>Before a new session carries commands it is asked whether the same unit answers there, and of
 * what size it is, and the key of this host is registered if there is one.
 *
 * <p><b>Threads:</b> the lane's only, but for the login and {@link #health}.
 */
final class LunPath implements LaneSession.Owner {
    /** How a path is doing, for other threads. */
    record Health(PathState state, long errors, long sinceMillis, String lastError) {}

    private static final int MOST_ATTENTIONS = 64;

    private final LunLane lane;
    private final LunDevice device;
    private final SessionSpec spec;
    private final LaneTimer retry = new LaneTimer(this::connect);
    private final LunCommand setup = LunCommand.standalone();
    private final MemorySegment answer = Libc.allocatePages(Libc.pageSize());
    private LaneSession session;
    private boolean up;
    private boolean setupWaits;
    private boolean setupBusy;
    private int attentions;
    private LunCommand firstInDoubt;
    private int portalGroup = -1;
    private long waitNanos;
    private boolean closed;
    private volatile Health health;

    LunPath(LunLane lane, LunDevice device, SessionSpec spec) {
        this.lane = lane;
        this.device = device;
        this.spec = spec;
        health = new Health(PathState.DOWN, 0, device.clock().epochMillis(), "");
        waitNanos = device.settings().retryNanos();
    }

    /** How it is doing. Any thread. */
    Health health() {
        return health;
    }

    private void become(PathState state) {
        Health old = health;
        if (old.state() != state) {
            long now = device.clock().epochMillis();
            health = new Health(state, old.errors(), now, old.lastError());
        }
    }

    private void noteError(PathState state, String error) {
        health = new Health(state, health.errors() + 1, device.clock().epochMillis(), error);
    }

    /** Whether it carries commands. */
    boolean isUp() {
        return up;
    }

    /** Its session; only while it is up. */
    LaneSession session() {
        return session;
    }

    // ---- logging in

    /** Makes the nexus, and first of all ends the old one if that is in question. */
    void connect() {
        if (closed || session != null) {
            return;
        }
        become(PathState.CONNECTING);
        LunPath helper = firstInDoubt == null ? null : lane.helperFor(this);
        if (helper == null) {
            logIn(spec, this::loginEnded);
        } else {
            logIn(spec.at(helper.spec.portal()), this::rescueEnded);
        }
    }

    /** Whether a login there ends sessions of ours: it is up and of the same portal group. */
    boolean canHelp(LunPath other) {
        return up && portalGroup >= 0 && portalGroup == other.portalGroup;
    }

    /** What a login has come to. */
    private interface LoginEnd {
        void ended(LoggedIn start, String error);
    }

    private void logIn(SessionSpec wanted, LoginEnd end) {
        device.waiting()
                .start(
                        "iscsi-login-" + wanted.portal(),
                        () -> {
                            LoggedIn start = null;
                            String error = "";
                            try {
                                start = device.login().logIn(wanted, loginDeadline());
                            } catch (RuntimeException e) {
                                error = String.valueOf(e.getMessage());
                            }
                            handOver(start, error, end);
                        });
    }

    private Deadline loginDeadline() {
        long millis = TimeUnit.NANOSECONDS.toMillis(device.settings().loginNanos());
        return Deadline.in(device.clock(), millis);
    }

    private void handOver(LoggedIn start, String error, LoginEnd end) {
        if (start != null && device.isClosed()) {
            start.close();
            return;
        }
        lane.context().execute(() -> end.ended(start, error));
    }

    /** The old nexus has ended; the session was only made for that. */
    private void rescueEnded(LoggedIn start, String error) {
        if (start != null) {
            start.close();
            oldNexusEnded();
        }
        if (!closed) {
            logIn(spec, this::loginEnded);
        }
    }

    private void loginEnded(LoggedIn start, String error) {
        if (closed) {
            if (start != null) {
                start.close();
            }
            return;
        }
        if (start == null) {
            noteError(PathState.DOWN, error);
            retryLater();
            return;
        }
        // The target may have been started anew since, and have forgotten what it had not written.
        if (lane.hasChanged()) {
            device.raiseLoss();
        }
        oldNexusEnded();
        portalGroup = start.negotiated().portalGroup();
        session = new LaneSession(lane.context(), start, device.lun(), device.settings(), this);
        session.open();
        attentions = 0;
        ask(LunCommand.Kind.TEST_UNIT_READY);
    }

    private void retryLater() {
        lane.context().schedule(retry, waitNanos);
        waitNanos = Math.min(2 * waitNanos, device.settings().longestRetryNanos());
    }

    // ---- what answers there

    private void ask(LunCommand.Kind kind) {
        setup.set(kind, null, 0, 0);
        switch (kind) {
            case INQUIRE_IDENTITY -> setup.move(answer, 0, CommandBlocks.ANSWER_BYTES);
            case READ_CAPACITY -> setup.move(answer, 0, CommandBlocks.CAPACITY_BYTES);
            case READ_KEYS -> setup.move(answer, 0, CommandBlocks.KEYS_BYTES);
            case REGISTER_KEY -> CommandBlocks.keyParameters(setup, device.reservationKey());
            default -> {
                // no data
            }
        }
        setupWaits = true;
        setupBusy = true;
        startSetup();
    }

    private void startSetup() {
        if (setupWaits && session.canStart()) {
            setupWaits = false;
            session.start(setup, device.shape().blockBytes());
        }
    }

    private void answered() {
        Verdict verdict = Verdict.of(setup);
        if (verdict == Verdict.ATTENTION && ++attentions < MOST_ATTENTIONS) {
            lane.attention(setup.senseCode());
            ask(setup.kind);
            return;
        }
        setupBusy = false;
        boolean done = verdict == Verdict.DONE;
        switch (setup.kind) {
            case TEST_UNIT_READY -> {
                if (done) {
                    ask(LunCommand.Kind.INQUIRE_IDENTITY);
                } else {
                    unfit(PathState.DOWN, "the unit is not ready: " + describe());
                }
            }
            case INQUIRE_IDENTITY -> identified(done ? setup.receivedBytes : 0);
            case READ_CAPACITY -> measured(done);
            case READ_KEYS -> keysRead(done);
            case REGISTER_KEY -> {
                if (done) {
                    carry();
                } else {
                    unfit(PathState.DOWN, "the key of this host is not taken: " + describe());
                }
            }
            default -> throw new IllegalStateException("no question of a path: " + setup);
        }
    }

    private String describe() {
        return setup.status == ScsiStatus.CHECK_CONDITION
                ? Sense.words(setup.sense)
                : ScsiStatus.words(setup.status);
    }

    private void identified(int bytes) {
        if (device.isUnit(UnitIdentity.of(answer, bytes))) {
            ask(LunCommand.Kind.READ_CAPACITY);
        } else {
            unfit(PathState.WRONG_UNIT, "another unit answers at " + spec.name());
        }
    }

    private void measured(boolean done) {
        boolean whole = done && setup.receivedBytes >= CommandBlocks.CAPACITY_BYTES / 2;
        if (!whole) {
            unfit(PathState.DOWN, "the unit does not tell its size: " + describe());
        } else if (!device.measured(
                CommandBlocks.blocks(answer), CommandBlocks.blockBytes(answer))) {
            unfit(PathState.WRONG_UNIT, "the blocks of the unit have another size than before");
        } else if (!up && device.reservationKey() != 0) {
            ask(LunCommand.Kind.READ_KEYS);
        } else {
            carry();
        }
    }

    /**
     * A key that is gone while others are there was taken away by another host. Registering it
     * again would undo that; without it the target refuses what this host must not do any more.
     */
    private void keysRead(boolean done) {
        if (!done) {
            unfit(PathState.DOWN, "the unit does not tell its keys: " + describe());
        } else if (CommandBlocks.hasKeyOrNone(
                answer, setup.receivedBytes, device.reservationKey())) {
            ask(LunCommand.Kind.REGISTER_KEY);
        } else {
            noteError(PathState.CONNECTING, "another host has taken the key of this one away");
            carry();
        }
    }

    private void unfit(PathState state, String error) {
        up = false;
        become(state);
        session.fail(error);
    }

    private void carry() {
        if (!up) {
            up = true;
            waitNanos = device.settings().retryNanos();
            become(PathState.UP);
            lane.pathIsUp();
        }
    }

    /** Asks for the size again. */
    void measureAgain() {
        if (up && !setupBusy) {
            ask(LunCommand.Kind.READ_CAPACITY);
        }
    }

    /** Resets the unit, which ends all that is in flight there, of whomever. */
    void resetUnit(CompletableFuture<Void> done) {
        if (!up || !session.resetUnit(done)) {
            done.completeExceptionally(
                    ErrorCode.SR_UNAVAILABLE.because("the path is not up or has too much to do"));
        }
    }

    // ---- what the session tells

    @Override
    public void ended(LaneSession from, LunCommand command) {
        if (command == setup) {
            answered();
        } else if (command.waiter != null) {
            lane.answer(command);
        } else {
            lane.ended(this, command);
        }
    }

    @Override
    public void hasRoom(LaneSession from) {
        if (from != session) {
            return;
        }
        startSetup();
        if (up) {
            lane.pump();
        }
    }

    @Override
    public void told(LaneSession from, int senseCode) {
        lane.attention(senseCode);
    }

    @Override
    public void broken(LaneSession from, String why) {
        boolean wasUp = up;
        boolean wrong = health.state() == PathState.WRONG_UNIT;
        session = null;
        up = false;
        setupWaits = false;
        setupBusy = false;
        noteError(wrong ? PathState.WRONG_UNIT : PathState.DOWN, why);
        for (LunCommand lost = from.takeUnfinished(); lost != null; ) {
            if (lost.waiter != null) {
                lane.refuse(lost, why);
            } else if (lost != setup) {
                lane.lost(this, lost);
            }
            lost = from.takeUnfinished();
        }
        if (closed) {
            lane.pathIsClosed();
            return;
        }
        lane.pathIsDown();
        if (wasUp) {
            connect();
        } else {
            retryLater();
        }
    }

    // ---- what is in doubt

    /** Keeps a change that the target may still carry out. */
    void doubt(LunCommand command) {
        command.next = firstInDoubt;
        firstInDoubt = command;
    }

    /** The first change in doubt; the others follow by {@link LunCommand#next}. */
    LunCommand firstInDoubt() {
        return firstInDoubt;
    }

    private void oldNexusEnded() {
        LunCommand each = firstInDoubt;
        firstInDoubt = null;
        while (each != null) {
            LunCommand following = each.next;
            each.next = null;
            lane.doubtEnded(each);
            each = following;
        }
        lane.pump();
    }

    // ---- the end

    /** Gives its memory back; no session is alive, and none will be. */
    void free() {
        Libc.free(answer);
        Libc.free(setup.scratch);
    }

    /** Logs out; {@link LunLane#pathIsClosed} follows. */
    void close() {
        closed = true;
        retry.cancel();
        if (session == null) {
            become(PathState.CLOSED);
            lane.pathIsClosed();
        } else {
            up = false;
            session.leave("the unit is given up");
        }
    }
}
