// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Who changes a group: where the identifiers of what is made come from, and what is noted of its
 * origin.
 *
 * <p><b>Threads:</b> as those of the random source and the clock.
 *
 * @param random makes identifiers
 * @param clock tells when something was made
 * @param host the name of this host, for people
 */
public record Author(RandomSource random, Clock clock, String host) {
    /** This host, by its own name. */
    public static Author of(RandomSource random, Clock clock) {
        return new Author(random, clock, hostName());
    }

    /** This host, with its own clock and secure randomness. */
    public static Author system() {
        return of(RandomSource.secure(), Clock.system());
    }

    /** The time in seconds since 1970. */
    long seconds() {
        return clock.epochMillis() / 1000;
    }

    private static String hostName() {
        try {
            return Files.readString(Path.of("/proc/sys/kernel/hostname")).strip();
        } catch (IOException unreadable) {
            // The name is only a note for people, and no reason to refuse a group.
            return "localhost";
        }
    }
}
