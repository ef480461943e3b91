// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.http;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.vdi.time.Threads;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HexFormat;
import java.util.List;

/** What goes over the socket, byte by byte. */
final class SocketTest {
    @TempDir Path home;
    private TestDaemon daemon;

    @BeforeEach
    void start() throws IOException {
        daemon = new TestDaemon(home, new FakeStorage());
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private static void send(OutputStream to, String text) throws IOException {
        to.write(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String post(String path, String body) {
        int length = body.getBytes(StandardCharsets.UTF_8).length;
        return "POST "
                + path
                + " HTTP/1.1\r\nHost: x\r\nContent-Length: "
                + length
                + "\r\n\r\n"
                + body;
    }

    /** Reads one response; the head and the body come apart by an empty line. */
    private static String response(InputStream in) throws IOException {
        StringBuilder head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
            int c = in.read();
            if (c < 0) {
                throw new IOException("closed after: " + head);
            }
            head.append((char) c);
        }
        String lower = head.toString().toLowerCase(java.util.Locale.ROOT);
        int at = lower.indexOf("content-length: ") + "content-length: ".length();
        int length = Integer.parseInt(lower.substring(at, lower.indexOf("\r\n", at)));
        return head + new String(in.readNBytes(length), StandardCharsets.UTF_8);
    }

    private static String body(String response) {
        return response.substring(response.indexOf("\r\n\r\n") + 4);
    }

    private String rpc(String request) throws IOException {
        try (SocketChannel channel = daemon.connect()) {
            send(Channels.newOutputStream(channel), post("/jsonrpc", request));
            String response = response(Channels.newInputStream(channel));
            assertTrue(response.startsWith("HTTP/1.1 200 OK\r\n"), response);
            assertTrue(response.contains("content-type: application/json\r\n"), response);
            assertTrue(response.contains("access-control-allow-origin: *\r\n"), response);
            return body(response);
        }
    }

    private String login() throws IOException {
        String answer =
                rpc(
                        "{\"method\":\"session.login_with_password\",\"params\":[\"r\",\"\"],"
                                + "\"id\":1}");
        int at = answer.indexOf("OpaqueRef:");
        return answer.substring(at, answer.indexOf('"', at));
    }

    @Test
    void answersVersionTwo() throws IOException {
        String session = login();
        assertEquals(
                "{\"jsonrpc\":\"2.0\",\"result\":[],\"id\":0}",
                rpc(
                        "{\"id\":0,\"jsonrpc\":\"2.0\",\"method\":\"SR.get_all\",\"params\":[\""
                                + session
                                + "\"]}"));
        assertEquals(
                "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":\"MESSAGE_METHOD_UNKNOWN\","
                        + "\"data\":[\"no.such\"]},\"id\":\"x\"}",
                rpc("{\"id\":\"x\",\"jsonrpc\":\"2.0\",\"method\":\"no.such\",\"params\":[]}"));
        assertEquals(
                "{\"jsonrpc\":\"2.0\",\"result\":\"\",\"id\":0}",
                rpc(
                        "{\"jsonrpc\":\"2.0\",\"method\":\"session.logout\",\"params\":[\""
                                + session
                                + "\"]}"));
    }

    @Test
    void answersTheOlderVersion() throws IOException {
        String session = login();
        assertEquals(
                "{\"result\":[],\"error\":null,\"id\":7}",
                rpc("{\"method\":\"SR.get_all\",\"params\":[\"" + session + "\"],\"id\":7}"));
        assertEquals(
                "{\"result\":null,\"error\":[\"SESSION_INVALID\",\"s\"],\"id\":0}",
                rpc("{\"method\":\"SR.get_all\",\"params\":[\"s\"]}"));
    }

    @Test
    void listsMethodsWithoutASession() throws IOException {
        String all = rpc("{\"method\":\"system.listMethods\",\"params\":[],\"id\":1}");
        assertTrue(all.contains("\"VDI.get_all_records\""), all);
        assertTrue(all.contains("\"event.from\""), all);
        assertTrue(!all.contains("session.get_all_records"), all);
        assertTrue(!all.contains("Async."), all);
    }

    @Test
    void sendsIntegersAsNumbers() throws IOException {
        String host = daemon.only("host");
        String session = login();
        String record =
                rpc(
                        "{\"method\":\"host.get_record\",\"params\":[\""
                                + session
                                + "\",\""
                                + host
                                + "\"],\"id\":1}");
        assertTrue(record.contains("\"API_version_major\":2,"), record);
        assertTrue(record.contains("\"enabled\":true,"), record);
    }

    @Test
    void answersSeveralRequestsOnOneConnectionInOrder() throws IOException {
        try (SocketChannel channel = daemon.connect()) {
            String call = "{\"method\":\"no.such\",\"params\":[],\"id\":";
            send(
                    Channels.newOutputStream(channel),
                    post("/jsonrpc", call + "1}")
                            + post("/jsonrpc/", call + "2}")
                            + post("/jsonrpc?x=y", call + "3}"));
            InputStream in = Channels.newInputStream(channel);
            for (int i = 1; i <= 3; i++) {
                assertTrue(body(response(in)).endsWith("\"id\":" + i + "}"));
            }
        }
    }

    @Test
    void answersMalformedRequestsWithAPage() throws IOException {
        for (String request :
                List.of(
                        "this is no request\r\n\r\n",
                        post("/jsonrpc", "{"),
                        post("/jsonrpc", "[]"),
                        post("/jsonrpc", "{\"method\":1,\"params\":[]}"))) {
            try (SocketChannel channel = daemon.connect()) {
                send(Channels.newOutputStream(channel), request);
                String response = response(Channels.newInputStream(channel));
                assertTrue(response.startsWith("HTTP/1.1 500 "), response);
                assertTrue(response.contains("content-type: text/html\r\n"), response);
                assertTrue(body(response).startsWith("<html>"), response);
            }
        }
    }

    @Test
    void refusesWhatIsTooLargeOrNowhere() throws IOException {
        try (SocketChannel channel = daemon.connect()) {
            send(
                    Channels.newOutputStream(channel),
                    "POST /jsonrpc HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n");
            assertTrue(response(Channels.newInputStream(channel)).startsWith("HTTP/1.1 413 "));
        }
        try (SocketChannel channel = daemon.connect()) {
            send(Channels.newOutputStream(channel), "GET /jsonrpc HTTP/1.1\r\n\r\n");
            assertTrue(response(Channels.newInputStream(channel)).startsWith("HTTP/1.1 404 "));
        }
    }

    /** The whole conversation of a command that prints one line, as bytes. */
    @Test
    void speaksTheThinProtocolByteByByte() throws IOException {
        byte[] greeting =
                HexFormat.of()
                        .parseHex(
                                "58656e536f75726365207468696e20434c492070726f746f636f6c"
                                        + "0000000002000000");
        try (SocketChannel channel = daemon.connect()) {
            InputStream in = Channels.newInputStream(channel);
            OutputStream to = Channels.newOutputStream(channel);
            send(to, "POST /cli HTTP/1.0\r\ncontent-length: 8\r\n\r\nfly\na=b\n");
            assertArrayEquals(greeting, in.readNBytes(35));
            to.write(greeting);
            String expected =
                    frame("090000001000000015000000", "Unknown command: fly\n")
                            + frame("090000001000000019000000", "For usage run: 'xe help'\n")
                            + "0c000000"
                            + "090000000400000001000000";
            assertEquals(expected, HexFormat.of().formatHex(in.readAllBytes()));
        }
    }

    private static String frame(String head, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        int length = head.length() / 2 + bytes.length;
        return String.format("%02x000000", length) + head + HexFormat.of().formatHex(bytes);
    }

    @Test
    void endsConnectionsThatAreTooSlow() throws IOException {
        Path socket = home.resolve("slow.sock");
        var workers = Threads.virtualFactory("worker-");
        try (HttpServer server =
                new HttpServer(new Router(List.of()), work -> workers.newThread(work).start())) {
            server.listen(socket, new HttpLimits(50, 50, 50, 50, 2, 100, 100, 100));
            try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
                channel.connect(UnixDomainSocketAddress.of(socket));
                send(Channels.newOutputStream(channel), "POST /cli HT");
                assertEquals(-1, Channels.newInputStream(channel).read());
            }
        }
    }

    @Test
    void opensItsSocketForItsOwnerOnly() throws IOException {
        assertEquals(
                "rw-------",
                PosixFilePermissions.toString(
                        Files.getPosixFilePermissions(daemon.daemon.socket())));
    }

    @Test
    void saysThatAPathIsTooLong() throws IOException {
        try (HttpServer server = new HttpServer(new Router(List.of()), Runnable::run)) {
            Path socket = home.resolve("x".repeat(120));
            IOException refused =
                    assertThrows(IOException.class, () -> server.listen(socket, HttpLimits.LOCAL));
            assertTrue(refused.getMessage().contains("the system takes 107"));
        }
    }

    @Test
    void choosesTheLongestPath() {
        Route.Exchange nothing = _ -> new Route.Response(200, "", new byte[0]);
        Route root = new Route("POST", "/", 1, nothing);
        Route longer = new Route("POST", "/import", 1, nothing);
        Router router = new Router(List.of(root, longer));
        assertEquals(longer, router.find("POST", "/import/?a=b").orElseThrow());
        assertEquals(root, router.find("POST", "/RPC2").orElseThrow());
        assertTrue(router.find("PUT", "/import").isEmpty());
    }
}
