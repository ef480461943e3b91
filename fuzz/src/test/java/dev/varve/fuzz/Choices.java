// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import java.util.Arrays;

/**
 * Decisions out of the bytes of a fuzzer, taken from the front; when they are used up, all is zero.
 */
final class Choices {
    private final byte[] bytes;
    private int position;

    Choices(byte[] bytes) {
        this.bytes = bytes;
    }

    boolean areLeft() {
        return position < bytes.length;
    }

    boolean yes() {
        return (next() & 1) != 0;
    }

    /** A number from 0 to the bound, which it does not reach. */
    int below(int bound) {
        int value = bound > 256 ? next() << 8 | next() : next();
        return bound > 65536 ? (value << 8 | next()) % bound : value % bound;
    }

    int anyInt() {
        return next() << 24 | next() << 16 | next() << 8 | next();
    }

    long anyLong() {
        return (long) anyInt() << 32 | Integer.toUnsignedLong(anyInt());
    }

    /** So many bytes, or what is left. */
    byte[] take(int most) {
        int end = Math.min(bytes.length, position + most);
        byte[] taken = Arrays.copyOfRange(bytes, position, end);
        position = end;
        return taken;
    }

    private int next() {
        return position < bytes.length ? bytes[position++] & 0xFF : 0;
    }
}
