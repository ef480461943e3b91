// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.shared;

import java.util.concurrent.TimeUnit;

/**
 * The times of hosts that share a device. All hosts of a repository use the same; none of them
 * compares its clock with that of another.
 *
 * @param termNanos how long a host has to be silent before it may be put out. It stops itself after
 *     a third of it
 * @param beatNanos how often it says that it lives
 * @param guardNanos how long a host waits before it believes that a place is its own: longer than a
 *     write to the device is under way, from when it was decided on
 * @param patienceNanos how long an attempt to claim a disk may wait for that of another host to end
 * @param askNanos how long a question to the owner may take
 * @param quickNanos how often the owner looks for questions while there are some
 * @param idleNanos how often when there were none for a while
 */
public record ClaimSettings(
        long termNanos,
        long beatNanos,
        long guardNanos,
        long patienceNanos,
        long askNanos,
        long quickNanos,
        long idleNanos) {
    /** The term in seconds, for tests. */
    static final String TERM = "dev.varve.claims.term";

    /** Checks that a host has time for several beats before it stops. */
    public ClaimSettings {
        if (beatNanos <= 0 || termNanos / 3 < 2 * beatNanos || guardNanos < 0) {
            throw new IllegalArgumentException(
                    "a third of the term has to be at least two beats, and a beat longer than 0");
        }
    }

    /**
     * For a device that several machines use. Tests set another term by the property {@link #TERM}
     * of the virtual machine, the same for all hosts: those with a longer one would be put out
     * before they have stopped.
     */
    public static ClaimSettings shared() {
        long term = TimeUnit.SECONDS.toNanos(Integer.getInteger(TERM, 60));
        return new ClaimSettings(
                term,
                term / 15,
                TimeUnit.SECONDS.toNanos(1),
                TimeUnit.SECONDS.toNanos(10),
                TimeUnit.SECONDS.toNanos(60),
                TimeUnit.MILLISECONDS.toNanos(5),
                TimeUnit.MILLISECONDS.toNanos(100));
    }

    /** The same with another guard: a device that only one machine sees needs a shorter one. */
    public ClaimSettings withGuard(long nanos) {
        return new ClaimSettings(
                termNanos, beatNanos, nanos, patienceNanos, askNanos, quickNanos, idleNanos);
    }

    /** How long a host goes on after it could last say that it lives. */
    long fenceNanos() {
        return termNanos / 3;
    }
}
