// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

/** The simulated host lost its power; whatever it was doing is over. */
final class PowerLoss extends RuntimeException {
    private static final long serialVersionUID = 1L;

    PowerLoss() {
        super("the power was lost", null, false, false);
    }
}
