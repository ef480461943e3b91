// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

/** A program that does nothing but say a word: what the start of a JVM costs. */
public final class BareStart {
    private BareStart() {}

    /** Says it. */
    public static void main(String[] args) {
        System.out.println("hello");
    }
}
