// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

/** The user typed something that makes no sense; the message says what. */
final class UsageException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final boolean hint;

    private UsageException(String message, boolean hint) {
        super(message);
        this.hint = hint;
    }

    /** A wrong command line; the user is pointed to the help. */
    static UsageException syntax(String message) {
        return new UsageException(message, true);
    }

    /** A value that does not fit. */
    static UsageException failure(String message) {
        return new UsageException("Error: " + message, false);
    }

    /** A login that was refused. */
    static UsageException authentication() {
        return new UsageException("Authentication failed", false);
    }

    boolean hint() {
        return hint;
    }
}
