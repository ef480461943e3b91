// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.http;

import io.netty.handler.codec.http.HttpResponseStatus;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;

/**
 * A request and its response as streams. The response may begin before the body is read, as clients
 * want that send nothing before they see it.
 *
 * <p><b>Invariants:</b> about 256 KiB of the body wait in memory, and what is sent is not copied.
 * No call waits for a silent peer longer than the limit of the listener.
 *
 * <p><b>Threads:</b> one, but for {@link #abort}, which any thread may call.
 */
public final class StreamedExchange {
    /** A length that says that nobody knows the length: so much is in no body. */
    static final long NO_LENGTH = 1L << 50;

    /** How much of a body is passed over so that its sender sees why it was refused. */
    private static final long MOST_PASSED_BYTES = 64L << 20;

    /** A sender that says nothing for so long has seen it. */
    private static final long SILENT_MILLIS = 1000;

    private final Route.Request request;
    private final RawConnection raw;
    private boolean responded;
    private boolean hasLength;
    private boolean refused;

    StreamedExchange(Route.Request request, RawConnection raw) {
        this.request = request;
        this.raw = raw;
    }

    /**
     * How long the body is, or -1 when it lasts until the peer ends the connection: there is no
     * {@code Content-Length}, or one of 2<sup>50</sup>, which some clients send for that.
     *
     * @throws IOException when the header is no length
     */
    public long bodyLength() throws IOException {
        String text = request.header("content-length").orElse("");
        if (text.isEmpty()) {
            return -1;
        }
        try {
            long length = Long.parseLong(text.strip());
            if (length >= 0) {
                return length == NO_LENGTH ? -1 : length;
            }
        } catch (NumberFormatException e) {
            throw new IOException("the content-length " + text + " is no number", e);
        }
        throw new IOException("the content-length " + text + " is negative");
    }

    /** Whether the body is in pieces of HTTP's own, which cannot be read here. */
    public boolean hasTransferEncoding() {
        return request.header("transfer-encoding").isPresent();
    }

    /** Waits for the first byte of a body without a length; false when the peer ends instead. */
    public boolean hasBody() throws IOException {
        return raw.awaitInput();
    }

    /** The body. It ends where its length says; when the peer ends it earlier a read fails. */
    public ReadableByteChannel body() throws IOException {
        return new Body(raw.source(), bodyLength());
    }

    /** Where the content of the response goes, once it has begun. */
    public WritableByteChannel content() {
        return raw.sink();
    }

    /** Whether a response has begun. */
    public boolean hasResponded() {
        return responded;
    }

    /**
     * Begins the response.
     *
     * @param length of the content in bytes, or -1 when it lasts until the end of the connection
     */
    public void respond(int status, String contentType, long length, Map<String, String> headers)
            throws IOException {
        boolean waits =
                request.header("expect").filter("100-continue"::equalsIgnoreCase).isPresent();
        StringBuilder head = new StringBuilder();
        if (waits && status < 300) {
            head.append("HTTP/1.1 100 Continue\r\n\r\n");
        }
        Map<String, String> all = new TreeMap<>(headers);
        all.put("content-type", contentType);
        all.put("connection", "close");
        all.put("cache-control", "no-cache, no-store");
        all.put("access-control-allow-origin", "*");
        if (length >= 0) {
            all.put("content-length", Long.toString(length));
            hasLength = true;
        }
        head.append("HTTP/1.1 ").append(status).append(' ').append(reason(status)).append("\r\n");
        all.forEach((name, value) -> head.append(name + ": " + value + "\r\n"));
        responded = true;
        write(head.append("\r\n").toString());
    }

    private static String reason(int status) {
        return HttpResponseStatus.valueOf(status).reasonPhrase();
    }

    private void write(String text) throws IOException {
        content().write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
    }

    /** Answers with a text instead of what was asked for. */
    public void refuse(int status, String text, Map<String, String> headers) throws IOException {
        refused = true;
        byte[] content = text.getBytes(StandardCharsets.UTF_8);
        respond(status, "text/plain", content.length, headers);
        content().write(ByteBuffer.wrap(content));
    }

    /** Ends the connection now; whoever reads or writes it fails. */
    public void abort() {
        raw.abort();
    }

    /**
     * A peer that is still sending when the connection is closed may never see the answer, so what
     * it sends is passed over for a while. One that knows the length of the answer closes by itself
     * when it has it; some clients fail when they are told of the end before they have read all.
     */
    void end() throws IOException {
        if (hasLength || (refused && sendsBody())) {
            raw.passOver(MOST_PASSED_BYTES, SILENT_MILLIS);
        }
    }

    private boolean sendsBody() {
        return request.method().equals("PUT") || request.method().equals("POST");
    }

    /** Ends where the length says, or with the connection where there is none. */
    private static final class Body implements ReadableByteChannel {
        private final ReadableByteChannel source;
        private final long length;
        private long done;

        Body(ReadableByteChannel source, long length) {
            this.source = source;
            this.length = length;
        }

        @Override
        public int read(ByteBuffer target) throws IOException {
            if (length >= 0 && done == length) {
                return -1;
            }
            int limit = target.limit();
            if (length >= 0 && target.remaining() > length - done) {
                target.limit(target.position() + (int) (length - done));
            }
            int count = source.read(target);
            target.limit(limit);
            if (count < 0 && length >= 0) {
                throw new EOFException(
                        "the peer ended the connection after %d of %d bytes"
                                .formatted(done, length));
            }
            done += Math.max(0, count);
            return count;
        }

        @Override
        public boolean isOpen() {
            return source.isOpen();
        }

        @Override
        public void close() throws IOException {
            source.close();
        }
    }
}
