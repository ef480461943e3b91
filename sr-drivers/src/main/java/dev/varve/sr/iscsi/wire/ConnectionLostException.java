// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.wire;

import java.io.IOException;

/**
 * A connection is of no use any more: it broke, the peer was silent for too long, or it sent what
 * nothing can follow. What was in flight has no outcome that is known.
 */
public final class ConnectionLostException extends IOException {
    private static final long serialVersionUID = 1L;

    /** With what happened, as the end of a sentence. */
    public ConnectionLostException(String message) {
        super(message);
    }
}
