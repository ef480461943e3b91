// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import org.junit.jupiter.api.function.Executable;

/** Assertions about failures. */
public final class Errors {
    private Errors() {}

    /** The call fails with this code; the exception, for a look at its words. */
    public static StorageException assertFails(ErrorCode code, Executable call) {
        StorageException failure = assertThrows(StorageException.class, call);
        assertEquals(code, failure.code(), failure::getMessage);
        return failure;
    }
}
