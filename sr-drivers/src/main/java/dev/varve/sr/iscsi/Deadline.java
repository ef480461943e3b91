// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi;

import dev.varve.vdi.time.Clock;

/**
 * Until when something has to be done.
 *
 * @param clock what tells the time
 * @param endNanos the end, by {@link Clock#nanoTime}
 */
public record Deadline(Clock clock, long endNanos) {
    private static final long NANOS_PER_MILLI = 1_000_000;

    /** So many milliseconds from now. */
    public static Deadline in(Clock clock, long millis) {
        return new Deadline(clock, clock.nanoTime() + millis * NANOS_PER_MILLI);
    }

    /** How long it is until then, in milliseconds rounded up; 0 when it is past. */
    public int millisLeft() {
        long left = endNanos - clock.nanoTime();
        long millis = (left + NANOS_PER_MILLI - 1) / NANOS_PER_MILLI;
        return Math.clamp(millis, 0, Integer.MAX_VALUE);
    }

    /** Whether it is past. */
    public boolean isPast() {
        return endNanos - clock.nanoTime() <= 0;
    }

    /** This one, or one so many milliseconds from now if that is earlier. */
    public Deadline atMost(long millis) {
        Deadline other = in(clock, millis);
        return other.endNanos - endNanos < 0 ? other : this;
    }
}
