// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import dev.varve.hv.http.Route;
import dev.varve.hv.xenapi.Passwords;
import dev.varve.hv.xenapi.Sessions;
import dev.varve.vdi.StorageException;

import io.netty.handler.codec.http.QueryStringDecoder;

import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/**
 * Lets requests that are no calls through only for those who have logged in: with a session as
 * {@code session_id} in the query, or with user and password (RFC 7617). Who comes through the
 * socket file needs neither.
 *
 * <p><b>Threads:</b> any; a check may block.
 */
final class Guard {
    private static final String BASIC = "Basic ";
    private static final String LOG_IN =
            "log in: session_id=... in the query, or user and password\n";
    private static final Map<String, String> CHALLENGE =
            Map.of("www-authenticate", "Basic realm=\"varve\", charset=\"UTF-8\"");

    private final Sessions sessions;
    private final Passwords passwords;

    Guard(Sessions sessions, Passwords passwords) {
        this.sessions = sessions;
        this.passwords = passwords;
    }

    /** The exchange behind the check. */
    Route.Exchange protect(Route.Exchange exchange) {
        return request ->
                request.caller().local() || isKnown(request) ? exchange.answer(request) : refusal();
    }

    /** The handler behind the check. */
    Route.Streaming protect(Route.Streaming handler) {
        return (request, exchange) -> {
            if (request.caller().local() || isKnown(request)) {
                handler.run(request, exchange);
            } else {
                exchange.refuse(401, LOG_IN, CHALLENGE);
            }
        };
    }

    private boolean isKnown(Route.Request request) {
        try {
            List<String> ids =
                    new QueryStringDecoder(request.uri())
                            .parameters()
                            .getOrDefault("session_id", List.of());
            if (!ids.isEmpty()) {
                sessions.use(ids.getFirst());
                return true;
            }
            return request.header("authorization").filter(this::fits).isPresent();
        } catch (StorageException e) {
            // The answer is the same as to somebody who shows nothing.
            return false;
        }
    }

    private boolean fits(String authorization) {
        if (!authorization.regionMatches(true, 0, BASIC, 0, BASIC.length())) {
            return false;
        }
        String pair;
        try {
            byte[] decoded =
                    Base64.getDecoder().decode(authorization.substring(BASIC.length()).strip());
            pair = new String(decoded, StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            return false;
        }
        int colon = pair.indexOf(':');
        if (colon < 0) {
            return false;
        }
        passwords.check(pair.substring(0, colon), pair.substring(colon + 1));
        return true;
    }

    private static Route.Response refusal() {
        return new Route.Response(
                401, "text/plain", LOG_IN.getBytes(StandardCharsets.UTF_8), CHALLENGE);
    }
}
