// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi;

/** Conditions that hold unless this program is wrong. The checks are always on. */
public final class Invariant {
    private Invariant() {}

    /** Throws {@link IllegalStateException} when the condition does not hold. */
    public static void check(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException("broken invariant: " + what);
        }
    }
}
