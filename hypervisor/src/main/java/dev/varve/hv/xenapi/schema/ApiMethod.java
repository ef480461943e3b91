// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import dev.varve.vdi.ErrorCode;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A method of a class.
 *
 * @param params without the session
 * @param optional how many of the last parameters a caller may leave out
 * @param anonymous whether it is called without a session
 * @param longRunning whether a task shows how far it is
 * @param capability what the driver of the repository must declare, by name
 */
public record ApiMethod(
        String className,
        String name,
        List<Param> params,
        int optional,
        ApiType result,
        boolean anonymous,
        boolean longRunning,
        Optional<String> capability,
        List<ErrorCode> errors,
        String meaning) {
    /** A parameter. */
    public record Param(String name, ApiType type, String meaning) {}

    /** Copies the lists. */
    public ApiMethod {
        params = List.copyOf(params);
        errors = List.copyOf(errors);
    }

    /** A method without parameters and result. */
    public static ApiMethod of(String className, String name, String meaning) {
        return new ApiMethod(
                className,
                name,
                List.of(),
                0,
                ApiTypes.VOID,
                false,
                false,
                Optional.empty(),
                List.of(),
                meaning);
    }

    /** The same with one more parameter at the end. */
    public ApiMethod param(String paramName, ApiType type, String paramMeaning) {
        List<Param> more = new ArrayList<>(params);
        more.add(new Param(paramName, type, paramMeaning));
        return copy(more, optional, result, anonymous, longRunning, capability, errors);
    }

    /** The same with one more parameter at the end, which may be left out. */
    public ApiMethod maybe(String paramName, ApiType type, String paramMeaning) {
        ApiMethod more = param(paramName, type, paramMeaning);
        return more.copy(
                more.params, optional + 1, result, anonymous, longRunning, capability, errors);
    }

    /** The same with a result. */
    public ApiMethod returns(ApiType type) {
        return copy(params, optional, type, anonymous, longRunning, capability, errors);
    }

    /** The same, called without a session. */
    public ApiMethod withoutSession() {
        return copy(params, optional, result, true, longRunning, capability, errors);
    }

    /** The same, shown by a task while it runs. */
    public ApiMethod tasked() {
        return copy(params, optional, result, anonymous, true, capability, errors);
    }

    /** The same, for repositories whose driver declares the capability. */
    public ApiMethod needs(Enum<?> declared) {
        return copy(
                params,
                optional,
                result,
                anonymous,
                longRunning,
                Optional.of(declared.name()),
                errors);
    }

    /** The same with errors that callers should be ready for. */
    public ApiMethod raises(ErrorCode... codes) {
        return copy(params, optional, result, anonymous, longRunning, capability, List.of(codes));
    }

    private ApiMethod copy(
            List<Param> newParams,
            int newOptional,
            ApiType newResult,
            boolean newAnonymous,
            boolean newLong,
            Optional<String> newCapability,
            List<ErrorCode> newErrors) {
        return new ApiMethod(
                className,
                name,
                newParams,
                newOptional,
                newResult,
                newAnonymous,
                newLong,
                newCapability,
                newErrors,
                meaning);
    }

    /** The name on the wire, like {@code SR.scan}. */
    public String fullName() {
        return className + "." + name;
    }
}
