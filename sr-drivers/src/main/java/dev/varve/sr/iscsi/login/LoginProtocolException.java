// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import java.io.IOException;

/** A target does not keep to the rules; the message goes on after the name of the target. */
public final class LoginProtocolException extends IOException {
    private static final long serialVersionUID = 1L;

    /** With what it did. */
    public LoginProtocolException(String message) {
        super(message);
    }

    /** With what it did, and what noticed that. */
    public LoginProtocolException(String message, Throwable cause) {
        super(message, cause);
    }
}
