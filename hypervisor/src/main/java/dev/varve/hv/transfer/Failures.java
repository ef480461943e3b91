// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.transfer;

import dev.varve.hv.http.StreamedExchange;
import dev.varve.vdi.StorageException;

import java.io.IOException;
import java.util.Map;

/** Failures as responses. */
final class Failures {
    private Failures() {}

    /** Answers with what went wrong, as a text with the sentence, the code and the parameters. */
    static void refuse(
            StreamedExchange exchange, StorageException failure, Map<String, String> headers)
            throws IOException {
        exchange.refuse(
                status(failure),
                "%s\n%s %s\n"
                        .formatted(
                                failure.sentence(),
                                failure.code().wireName(),
                                String.join(", ", failure.params())),
                headers);
    }

    private static int status(StorageException failure) {
        return switch (failure.code()) {
            case HANDLE_INVALID, UUID_INVALID, VDI_MISSING -> 404;
            case VALUE_NOT_SUPPORTED, INVALID_VALUE, IMPORT_ERROR_GENERIC -> 400;
            case VDI_IN_USE,
                    SR_VDI_IN_USE,
                    VDI_READONLY,
                    OTHER_OPERATION_IN_PROGRESS,
                    OPERATION_NOT_ALLOWED ->
                    409;
            case VDI_TOO_SMALL, VDI_TOO_LARGE -> 413;
            case TOO_MANY_PENDING_TASKS -> 503;
            case SR_NO_SPACE -> 507;
            default -> 500;
        };
    }
}
