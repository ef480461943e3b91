// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

/** A simulation found that something is not as it should be. */
public final class SimulationFailure extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** A finding. */
    public SimulationFailure(String message) {
        super(message);
    }

    /** A finding with what led to it. */
    public SimulationFailure(String message, Throwable cause) {
        super(message, cause);
    }
}
