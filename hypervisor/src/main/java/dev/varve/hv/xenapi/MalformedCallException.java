// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import java.io.IOException;

/** What was sent is no call at all. */
public final class MalformedCallException extends IOException {
    private static final long serialVersionUID = 1L;

    MalformedCallException(String message) {
        super(message);
    }

    MalformedCallException(String message, Throwable cause) {
        super(message, cause);
    }
}
