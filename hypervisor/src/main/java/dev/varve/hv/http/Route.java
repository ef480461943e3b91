// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.http;

import dev.varve.hv.xenapi.Caller;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * What happens with requests of a method and a path.
 *
 * @param maxBodyBytes the largest body; more is refused before it is read
 */
public record Route(String method, String path, int maxBodyBytes, Handler handler) {
    /** Takes requests. Runs on a virtual thread, so it may block. */
    public sealed interface Handler {}

    /** Answers a whole request with a whole response. */
    public non-sealed interface Exchange extends Handler {
        /** The response. */
        Response answer(Request request) throws IOException;
    }

    /**
     * Takes the connection over. No response is sent; what the peer sends and gets from then on are
     * raw bytes, and the connection is closed when the handler returns.
     */
    public non-sealed interface Takeover extends Handler {
        /** Whether the body is read first; if not, its bytes are the first raw ones. */
        boolean readsBodyFirst();

        /** Talks to the peer. */
        void run(Request request, InputStream in, OutputStream out) throws IOException;
    }

    /**
     * Talks HTTP with bodies of any length as streams, either way: neither is in memory as a whole.
     * The connection is closed when the handler returns.
     */
    public non-sealed interface Streaming extends Handler {
        /**
         * Reads the body, if it wants to, and answers.
         *
         * @throws IOException when the peer is gone or silent
         */
        void run(Request request, StreamedExchange exchange) throws IOException;
    }

    /** A request; the body is empty when it was not read first. */
    public static final class Request {
        private final Caller caller;
        private final String method;
        private final String uri;
        private final Function<String, Optional<String>> headers;
        private final byte[] body;

        Request(
                Caller caller,
                String method,
                String uri,
                Function<String, Optional<String>> headers,
                byte[] body) {
            this.caller = caller;
            this.method = method;
            this.uri = uri;
            this.headers = headers;
            this.body = body;
        }

        /** Who sent it. */
        public Caller caller() {
            return caller;
        }

        /** The method of HTTP. */
        public String method() {
            return method;
        }

        /** Path and query. */
        public String uri() {
            return uri;
        }

        /** A header by its name, in any case. */
        public Optional<String> header(String name) {
            return headers.apply(name);
        }

        /** The body, not copied. */
        public byte[] body() {
            return body;
        }
    }

    /** A response with a body. */
    public static final class Response {
        private final int status;
        private final String contentType;
        private final byte[] body;
        private final Map<String, String> headers;

        /** A response; the body is not copied. */
        public Response(int status, String contentType, byte[] body) {
            this(status, contentType, body, Map.of());
        }

        /** A response with more headers; the body is not copied. */
        public Response(int status, String contentType, byte[] body, Map<String, String> headers) {
            this.status = status;
            this.contentType = contentType;
            this.body = body;
            this.headers = Map.copyOf(headers);
        }

        Map<String, String> headers() {
            return headers;
        }

        int status() {
            return status;
        }

        String contentType() {
            return contentType;
        }

        byte[] body() {
            return body;
        }
    }
}
