// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.pdu;

/** Numbers of 32 bits that begin again after the last one (RFC 1982, RFC 7143 3.2.2.1). */
public final class SerialNumbers {
    private SerialNumbers() {}

    /** Whether one comes before another. */
    public static boolean isBefore(int first, int second) {
        return first - second < 0;
    }

    /** The later of two. */
    public static int later(int first, int second) {
        return isBefore(first, second) ? second : first;
    }
}
