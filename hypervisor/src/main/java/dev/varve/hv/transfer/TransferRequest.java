// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.transfer;

import dev.varve.hv.http.Route;
import dev.varve.vdi.ErrorCode;

import io.netty.handler.codec.http.QueryStringDecoder;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What a request for a transfer asks for, in its query. */
final class TransferRequest {
    private final Map<String, List<String>> query;

    TransferRequest(Route.Request request) {
        query = new QueryStringDecoder(request.uri()).parameters();
    }

    Optional<String> get(String name) {
        return query.getOrDefault(name, List.of()).stream()
                .filter(value -> !value.isEmpty())
                .findFirst();
    }

    /**
     * A value that has to be there.
     *
     * @throws dev.varve.vdi.StorageException INVALID_VALUE
     */
    String require(String name) {
        return get(name).orElseThrow(() -> ErrorCode.INVALID_VALUE.with(name, ""));
    }

    /** Whether something is wanted: {@code name}, {@code name=true} or {@code name=1}. */
    boolean flag(String name) {
        return query.containsKey(name)
                && query.get(name).stream()
                        .allMatch(
                                value ->
                                        value.isEmpty()
                                                || value.equals("true")
                                                || value.equals("1"));
    }
}
