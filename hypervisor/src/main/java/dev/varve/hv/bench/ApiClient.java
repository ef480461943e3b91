// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Locale;

/**
 * A client of the API: JSON-RPC or XML-RPC over HTTP on the daemon's socket file, on one connection
 * that stays.
 *
 * <p><b>Threads:</b> one.
 */
final class ApiClient implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String LENGTH = "content-length:";

    private final SocketChannel channel;
    private final InputStream in;
    private final OutputStream out;

    /** Connects. */
    ApiClient(Path socket) throws IOException {
        channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        channel.connect(UnixDomainSocketAddress.of(socket));
        in = new BufferedInputStream(Channels.newInputStream(channel), 1 << 16);
        out = Channels.newOutputStream(channel);
    }

    /** The bytes of a call, as they go over the socket. */
    static byte[] request(String method, Object... params) throws IOException {
        ObjectNode call = JSON.createObjectNode();
        call.put("jsonrpc", "2.0").put("id", 1).put("method", method);
        call.set("params", JSON.valueToTree(params));
        return post("/jsonrpc", "application/json", JSON.writeValueAsBytes(call));
    }

    /** The same as XML-RPC, for parameters that are texts without special characters. */
    static byte[] xmlRequest(String method, String... params) {
        StringBuilder xml = new StringBuilder("<?xml version=\"1.0\"?><methodCall><methodName>");
        xml.append(method).append("</methodName><params>");
        for (String param : params) {
            xml.append("<param><value><string>").append(param).append("</string></value></param>");
        }
        xml.append("</params></methodCall>");
        return post("/RPC2", "text/xml", xml.toString().getBytes(StandardCharsets.UTF_8));
    }

    private static byte[] post(String path, String contentType, byte[] body) {
        byte[] head =
                ("POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-type: %s\r\ncontent-length: %s"
                                + "\r\n\r\n")
                        .formatted(path, contentType, body.length)
                        .getBytes(StandardCharsets.US_ASCII);
        byte[] whole = new byte[head.length + body.length];
        System.arraycopy(head, 0, whole, 0, head.length);
        System.arraycopy(body, 0, whole, head.length, body.length);
        return whole;
    }

    /**
     * Calls a method.
     *
     * @throws IOException also when the call fails
     */
    JsonNode call(String method, Object... params) throws IOException {
        JsonNode answer = JSON.readTree(exchange(request(method, params)));
        if (answer.has("error")) {
            throw new IOException(method + " failed: " + answer.get("error"));
        }
        return answer.get("result");
    }

    /** Sends a call and takes the body of the answer. */
    byte[] exchange(byte[] request) throws IOException {
        out.write(request);
        String status = line();
        if (!status.startsWith("HTTP/1.1 200 ")) {
            throw new IOException("the daemon answers " + status);
        }
        int length = -1;
        for (String header = line(); !header.isEmpty(); header = line()) {
            if (header.toLowerCase(Locale.ROOT).startsWith(LENGTH)) {
                length = Integer.parseInt(header.substring(LENGTH.length()).strip());
            }
        }
        if (length < 0) {
            throw new IOException("the daemon does not tell how long its answer is");
        }
        byte[] body = in.readNBytes(length);
        if (body.length < length) {
            throw new EOFException("the daemon closed the connection");
        }
        return body;
    }

    private String line() throws IOException {
        StringBuilder line = new StringBuilder();
        for (int next = in.read(); next != '\n'; next = in.read()) {
            if (next < 0) {
                throw new EOFException("the daemon closed the connection");
            }
            if (next != '\r') {
                line.append((char) next);
            }
        }
        return line.toString();
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
