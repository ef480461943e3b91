// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench.report;

import java.util.Locale;

/** Figures as people read them. */
public final class Figures {
    private Figures() {}

    /** About four digits, with the unit only where that is not said elsewhere. */
    public static String number(double value) {
        double size = Math.abs(value);
        if (size >= 1000) {
            return String.format(Locale.ROOT, "%,.0f", value);
        }
        if (size >= 100) {
            return String.format(Locale.ROOT, "%.0f", value);
        }
        return String.format(Locale.ROOT, size >= 10 ? "%.1f" : size >= 1 ? "%.2f" : "%.3f", value);
    }

    /** A figure with its unit. */
    public static String withUnit(double value, Unit unit) {
        return number(value) + " " + unit.symbol();
    }

    /** How many times as much something is. */
    public static String ratio(double value) {
        return String.format(Locale.ROOT, value >= 100 ? "%.0f" : "%.2f", value);
    }
}
