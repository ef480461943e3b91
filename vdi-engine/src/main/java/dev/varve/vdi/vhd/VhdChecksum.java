// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

/** The checksum of the format: the one's complement of the sum of bytes. */
final class VhdChecksum {
    private VhdChecksum() {}

    /** The checksum of a range, taking the four bytes of the checksum itself as zero. */
    static int of(byte[] bytes, int from, int to, int checksumOffset) {
        int sum = 0;
        for (int i = from; i < to; i++) {
            if (i < checksumOffset || i >= checksumOffset + 4) {
                sum += bytes[i] & 0xFF;
            }
        }
        return ~sum;
    }

    /** The checksum of bytes that do not contain it. */
    static int of(byte[] bytes) {
        return of(bytes, 0, bytes.length, Integer.MAX_VALUE - 4);
    }
}
