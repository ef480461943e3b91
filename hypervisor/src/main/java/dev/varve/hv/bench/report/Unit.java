// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench.report;

/** What a figure is counted in. */
public enum Unit {
    /** So many for each second. */
    PER_SECOND("1/s", "per second"),
    /** Seconds. */
    SECONDS("s", "seconds"),
    /** Thousandths of a second. */
    MILLISECONDS("ms", "milliseconds"),
    /** Millionths of a second. */
    MICROSECONDS("us", "microseconds"),
    /** Bytes. */
    BYTES("B", "bytes");

    private final String symbol;
    private final String words;

    Unit(String symbol, String words) {
        this.symbol = symbol;
        this.words = words;
    }

    /** As it stands behind a figure. */
    public String symbol() {
        return symbol;
    }

    /** Written out. */
    public String words() {
        return words;
    }
}
