// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.state;

/** The state could not be read or written. What was being changed is as it was before. */
public final class StateStoreException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    StateStoreException(String message, Throwable cause) {
        super(message, cause);
    }
}
