// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

import dev.varve.vdi.Invariant;
import dev.varve.vdi.io.IoBackend;
import dev.varve.vdi.io.IoOp;

import java.util.HashMap;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * A backend without files, and with sockets whose other side is played: what happens is what
 * simulated devices have put on its calendar.
 *
 * <p>The power goes off after a chosen number of events; from then on nothing happens any more.
 *
 * <p><b>Threads:</b> one.
 */
public final class SimBackend implements IoBackend {
    private record Event(long dueNanos, long number, Runnable action) implements Comparable<Event> {
        @Override
        public int compareTo(Event other) {
            int byTime = Long.compare(dueNanos, other.dueNanos);
            return byTime != 0 ? byTime : Long.compare(number, other.number);
        }
    }

    /** Moments at which a loss of power tells most. */
    enum Mark {
        /** The medium has finished a flush. */
        FLUSHED,
        /** The medium has finished a write to the place that is watched. */
        WATCHED_WRITTEN,
        /** The medium has finished a write to that place which made an entry all ones. */
        WATCHED_CLEARED,
        /** A commit of names has happened. */
        COMMITTED,
        /** A commit of names that belongs to a merge begins, or has just happened. */
        MERGE_STEP,
        /** A guest was told that something is durable. */
        PROMISED,
        /** A guest was told so whose disk has changed over to a new leaf just before. */
        PROMISED_AFTER_SWITCH
    }

    private final SimClock clock;
    private final PriorityQueue<Event> calendar = new PriorityQueue<>();
    private final Map<Integer, Consumer<IoOp>> sockets = new HashMap<>();
    private long numbers;
    private long eventsUntilPowerLoss = Long.MAX_VALUE;
    private Mark awaitedMark;
    private int marksToCome;
    private int eventsAfterMark;
    private boolean powerLost;

    /** A backend on which nothing is to happen yet. */
    public SimBackend(SimClock clock) {
        this.clock = clock;
    }

    /** Makes something happen later. */
    public void after(long delayNanos, Runnable action) {
        calendar.add(new Event(clock.nanoTime() + delayNanos, numbers++, action));
    }

    /** Lets the power go off when so many more events have happened. */
    public void losePowerAfter(long events) {
        eventsUntilPowerLoss = events;
        powerLost = events == 0;
    }

    /** Lets the power go off at, or some events after, a moment that has come so many times. */
    void losePowerAt(Mark mark, int count, int eventsThen) {
        awaitedMark = mark;
        marksToCome = count;
        eventsAfterMark = eventsThen;
    }

    /** Such a moment has come; called during the event that brings it. */
    void mark(Mark mark) {
        if (mark == awaitedMark && --marksToCome == 0) {
            eventsUntilPowerLoss = eventsAfterMark + 1L;
        }
    }

    /** Lets the power stay on. */
    public void keepPower() {
        eventsUntilPowerLoss = Long.MAX_VALUE;
        awaitedMark = null;
    }

    /** Whether the power is off. */
    public boolean isPowerLost() {
        return powerLost;
    }

    @Override
    public String name() {
        return "simulation";
    }

    /** Gives the operations on a socket to whoever plays the other side. */
    public void connect(int socket, Consumer<IoOp> otherSide) {
        sockets.put(socket, otherSide);
    }

    /** Passes on what is for a socket; simulated devices use {@link #after} and have no files. */
    @Override
    public void submit(IoOp op) {
        Consumer<IoOp> otherSide = sockets.get(op.socket);
        Invariant.check(
                op.file == null && otherSide != null, "a simulation has connected sockets only");
        op.begin();
        otherSide.accept(op);
    }

    @Override
    public int poll() {
        int done = 0;
        while (!powerLost && !calendar.isEmpty() && calendar.peek().dueNanos <= clock.nanoTime()) {
            Event event = calendar.poll();
            event.action.run();
            done++;
            powerLost = --eventsUntilPowerLoss == 0;
        }
        return done;
    }

    /** Moves the clock to the next event. */
    @Override
    public void await(long timeoutNanos, BooleanSupplier moreWork) {
        if (moreWork.getAsBoolean()) {
            return;
        }
        long nanos = timeoutNanos;
        if (!calendar.isEmpty()) {
            nanos = Math.min(nanos, calendar.peek().dueNanos - clock.nanoTime());
        }
        clock.advance(Math.max(0, nanos));
    }

    @Override
    public void wake() {}

    @Override
    public int inFlight() {
        return calendar.size();
    }

    @Override
    public void close() {
        calendar.clear();
    }
}
