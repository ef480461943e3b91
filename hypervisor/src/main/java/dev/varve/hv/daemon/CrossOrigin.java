// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import dev.varve.hv.http.Route;

import java.util.HashMap;
import java.util.Map;

/** Lets pages from elsewhere call: what a browser asks before it does (Fetch standard, CORS). */
final class CrossOrigin {
    private CrossOrigin() {}

    static Route.Response answer(Route.Request request) {
        Map<String, String> headers = new HashMap<>();
        String asked = request.header("access-control-request-headers").orElse("");
        headers.put(
                "access-control-allow-headers",
                asked.isBlank() ? "X-Requested-With" : asked + ", X-Requested-With");
        headers.put("access-control-allow-methods", "PUT, POST, GET, OPTIONS");
        return new Route.Response(200, "text/plain", new byte[0], headers);
    }
}
