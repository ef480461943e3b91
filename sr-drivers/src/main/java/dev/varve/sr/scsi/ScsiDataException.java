// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.scsi;

import java.io.IOException;

/** A device has answered something that does not hold together. */
public final class ScsiDataException extends IOException {
    private static final long serialVersionUID = 1L;

    /** With what is wrong, as a sentence without a subject. */
    public ScsiDataException(String message) {
        super(message);
    }
}
