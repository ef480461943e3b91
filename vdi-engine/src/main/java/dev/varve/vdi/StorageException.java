// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi;

import java.util.List;

/**
 * An operation failed: the error code and its parameters, in the shape in which clients get them.
 */
public final class StorageException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final ErrorCode code;
    private final transient List<String> params;

    /**
     * @param params one value for each of {@link ErrorCode#parameters()}
     * @param cause what led to it, or null
     */
    public StorageException(ErrorCode code, List<String> params, Throwable cause) {
        super(describe(code, params), cause);
        if (params.size() != code.parameters().size()) {
            throw new IllegalArgumentException(
                    code + " takes " + code.parameters() + ", not " + params, cause);
        }
        this.code = code;
        this.params = List.copyOf(params);
    }

    /** What went wrong. */
    public ErrorCode code() {
        return code;
    }

    /** The values of the code's parameters. */
    public List<String> params() {
        return params;
    }

    /** The sentence for a person: the message of a backend failure, or the meaning of the code. */
    public String sentence() {
        return code.isBackendFailure() ? params.get(1) : code.meaning();
    }

    private static String describe(ErrorCode code, List<String> params) {
        return code.isBackendFailure()
                ? code.wireName() + ": " + params.get(1)
                : code.wireName() + " " + params + ": " + code.meaning();
    }
}
