// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.time;

import java.security.SecureRandom;
import java.util.Random;
import java.util.UUID;

/** The only source of randomness. */
public interface RandomSource {
    /** A random UUID of version 4. */
    UUID uuid();

    /** Random bytes, as many as the array holds. */
    void bytes(byte[] target);

    /** The secure generator of this machine. */
    static RandomSource secure() {
        return of(new SecureRandom());
    }

    /** A generator over the given one; with a seeded {@link Random} it repeats. */
    static RandomSource of(Random random) {
        return new RandomSource() {
            @Override
            public UUID uuid() {
                long high = (random.nextLong() & ~0xF000L) | 0x4000L;
                long low = (random.nextLong() >>> 2) | 0x8000_0000_0000_0000L;
                return new UUID(high, low);
            }

            @Override
            public void bytes(byte[] target) {
                random.nextBytes(target);
            }
        };
    }
}
