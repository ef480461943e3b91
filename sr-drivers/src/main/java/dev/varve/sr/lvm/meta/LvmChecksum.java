// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import java.util.zip.CRC32;

/**
 * The checksum of LVM2: CRC-32 with the reflected polynomial 0xEDB88320 as everywhere, but it
 * begins with 0xF597A6CF and is not inverted at the end.
 *
 * <p>The JDK's CRC-32, which uses instructions of the processor for it, always begins with
 * 0xFFFFFFFF. Four bytes bring it from there to any state, so feeding it the right four makes it
 * begin where LVM2 does.
 */
final class LvmChecksum {
    private static final int INITIAL = 0xF597A6CF;
    private static final int POLYNOMIAL = 0xEDB88320;
    private static final byte[] PREFIX = prefixTo(INITIAL);

    private LvmChecksum() {}

    /** The checksum of a part of an array. */
    static int of(byte[] data, int offset, int length) {
        CRC32 crc = new CRC32();
        crc.update(PREFIX);
        crc.update(data, offset, length);
        return ~(int) crc.getValue();
    }

    /** The checksum of an array. */
    static int of(byte[] data) {
        return of(data, 0, data.length);
    }

    /** The bytes that lead from the state of all ones to another one: each bit undone in turn. */
    private static byte[] prefixTo(int state) {
        int word = state;
        for (int bit = 0; bit < Integer.SIZE; bit++) {
            word = word < 0 ? (word ^ POLYNOMIAL) << 1 | 1 : word << 1;
        }
        word = ~word;
        return new byte[] {
            (byte) word, (byte) (word >>> 8), (byte) (word >>> 16), (byte) (word >>> 24)
        };
    }
}
