// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench.report;

import java.util.OptionalDouble;

/**
 * One figure of a row.
 *
 * @param name what was measured; the same in all rows that are compared
 * @param higherIsBetter whether more of it is better
 * @param target what it should reach, where that was decided beforehand
 */
public record Measure(
        String name, Unit unit, boolean higherIsBetter, Spread spread, OptionalDouble target) {
    /** How often something was done for each second. */
    public static Measure rate(String name, Spread spread) {
        return new Measure(name, Unit.PER_SECOND, true, spread, OptionalDouble.empty());
    }

    /** A figure that is better when it is smaller, such as a time. */
    public static Measure cost(String name, Unit unit, Spread spread) {
        return new Measure(name, unit, false, spread, OptionalDouble.empty());
    }

    /** The same figure, which should stay below or rise above a value. */
    public Measure target(double value) {
        return new Measure(name, unit, higherIsBetter, spread, OptionalDouble.of(value));
    }

    /** Whether the median reaches the target; true without one. */
    public boolean isTargetMet() {
        if (target.isEmpty()) {
            return true;
        }
        double limit = target.getAsDouble();
        return higherIsBetter ? spread.median() >= limit : spread.median() <= limit;
    }
}
