// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi;

import dev.varve.vdi.time.RandomSource;

/**
 * The initiator's part of a session's name (RFC 7143, 11.12.5), of the format that is random: with
 * the names of initiator and target and the portal group it names the nexus. A login that repeats
 * it ends the session that has it, and all its tasks, before the new one begins.
 *
 * <table>
 * <caption>ISID, 6 bytes, big-endian</caption>
 * <tr><th>offset</th><th>bytes</th><th>meaning</th></tr>
 * <tr><td>0</td><td>1</td><td>bits 6 and 7: format, 2 for random; the rest is 0</td></tr>
 * <tr><td>1</td><td>3</td><td>random number of this host or program</td></tr>
 * <tr><td>4</td><td>2</td><td>qualifier, which tells its sessions apart</td></tr>
 * </table>
 *
 * @param random the random number, 24 bits
 * @param qualifier 16 bits
 */
public record Isid(int random, int qualifier) {
    /** How many qualifiers there are. */
    public static final int QUALIFIERS = 1 << 16;

    private static final long FORMAT_RANDOM = 0x80L << 40;
    private static final int RANDOM_MASK = 0xFFFFFF;

    /** Takes both numbers. */
    public Isid {
        if ((random & ~RANDOM_MASK) != 0 || qualifier < 0 || qualifier >= QUALIFIERS) {
            throw new IllegalArgumentException(
                    "no ISID: random %x, qualifier %x".formatted(random, qualifier));
        }
    }

    /** A random one, of qualifier 0. */
    public static Isid random(RandomSource source) {
        byte[] bytes = new byte[3];
        source.bytes(bytes);
        int high = (bytes[0] & 0xFF) << 16;
        return new Isid(high | (bytes[1] & 0xFF) << 8 | (bytes[2] & 0xFF), 0);
    }

    /** The same with another qualifier. */
    public Isid qualified(int number) {
        return new Isid(random, number);
    }

    /** The six bytes, as the low 48 bits. */
    public long bits() {
        return FORMAT_RANDOM | (long) random << 16 | qualifier;
    }
}
