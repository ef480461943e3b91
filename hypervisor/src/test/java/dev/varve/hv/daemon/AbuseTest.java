// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.RealDaemon;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Threads;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

import javax.net.ssl.SSLSocket;

/**
 * Peers that mean no good, against a daemon in a process of its own with half the heap that it has
 * otherwise, which ends when that is not enough. Meanwhile it goes on answering its owner and
 * others on the network.
 */
@Tag("real")
@Timeout(value = 120, unit = TimeUnit.SECONDS)
final class AbuseTest {
    private static final int MIB = 1 << 20;
    private static final long HEAP_MIB = 512;

    /** Threads of a daemon that nobody talks to, and some. */
    private static final int MOST_THREADS = 60;

    /**
     * How long others may wait. A hundred clients that ask for megabytes at once come first when
     * they were first: that is five seconds of work for two processors.
     */
    private static final long MOST_SECONDS = 20;

    private static final String LIST =
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system.listMethods\",\"params\":[]}";

    @TempDir Path home;
    private RealDaemon daemon;
    private final List<Socket> sockets = new ArrayList<>();

    @BeforeEach
    void start() throws Exception {
        daemon = new RealDaemon(home, HEAP_MIB);
    }

    @AfterEach
    void stop() throws Exception {
        for (Socket socket : sockets) {
            socket.close();
        }
        daemon.close();
    }

    private Socket connect(String scheme) throws IOException {
        Socket socket = new Socket(InetAddress.getLoopbackAddress(), daemon.port(scheme));
        socket.setSoTimeout(60_000);
        sockets.add(socket);
        return socket;
    }

    private static String post(String body, String... headers) {
        return "POST /jsonrpc HTTP/1.1\r\nHost: x\r\n"
                + String.join("", headers)
                + "Content-Length: "
                + body.getBytes(StandardCharsets.UTF_8).length
                + "\r\n\r\n"
                + body;
    }

    private static void send(Socket socket, String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
    }

    /** Sends something on a thread of its own; that the daemon hangs up is as good as an answer. */
    private static CompletableFuture<Void> pour(Socket socket, byte[] bytes, int times) {
        CompletableFuture<Void> done = new CompletableFuture<>();
        Threads.virtual(
                        "abuse",
                        () -> {
                            try {
                                OutputStream out = socket.getOutputStream();
                                for (int i = 0; i < times; i++) {
                                    out.write(bytes);
                                }
                            } catch (IOException e) {
                                done.complete(null);
                            }
                            done.complete(null);
                        })
                .start();
        return done;
    }

    /** Everything until the daemon closes the connection. */
    private static String rest(Socket socket) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        try (InputStream in = socket.getInputStream()) {
            in.transferTo(all);
        } catch (java.net.SocketException e) {
            // It was reset, because the daemon did not want the rest of the request.
            assertFalse(all.toString(StandardCharsets.ISO_8859_1).contains("INTERNAL_ERROR"));
        }
        return all.toString(StandardCharsets.UTF_8);
    }

    private static void readOne(InputStream in) throws IOException {
        StringBuilder head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
            int c = in.read();
            if (c < 0) {
                throw new EOFException("closed after: " + head);
            }
            head.append((char) c);
        }
        String name = "content-length: ";
        int at = head.indexOf(name) + name.length();
        in.readNBytes(Integer.parseInt(head.substring(at, head.indexOf("\r\n", at))));
    }

    /**
     * The owner and somebody on the network are answered, and quickly; the daemon is not bloated.
     */
    private void othersAreServed() throws Exception {
        long worst = 0;
        for (int i = 0; i < 20; i++) {
            long began = Clock.system().nanoTime();
            assertTrue(daemon.local(LIST).contains("VDI.snapshot"));
            try (Socket socket =
                    new Socket(InetAddress.getLoopbackAddress(), daemon.port("http"))) {
                socket.setSoTimeout(20_000);
                send(socket, post(LIST, "Connection: close\r\n"));
                assertTrue(rest(socket).contains("VDI.snapshot"));
            }
            worst = Math.max(worst, Clock.system().nanoTime() - began);
        }
        assertTrue(worst < TimeUnit.SECONDS.toNanos(MOST_SECONDS), worst / 1_000_000 + " ms");
        long threads = daemon.threads();
        assertTrue(threads < MOST_THREADS, threads + " threads");
        System.out.printf(
                "worst of 20 pairs of calls %d ms, %d threads, %d MiB resident at most%n",
                worst / 1_000_000, threads, daemon.peakMib());
    }

    /**
     * What nobody can tell where it ends is answered once at most, and the connection is closed.
     */
    @Test
    void isNotLedToSeeTwoRequestsInOne() throws Exception {
        String second = post(LIST);
        int length = second.length();
        String head = "POST /jsonrpc HTTP/1.1\r\nHost: x\r\n";
        List<String> shapes =
                List.of(
                        "Content-Length: 4\r\nContent-Length: " + length + "\r\n\r\n",
                        "Content-Length: 4, " + length + "\r\n\r\n",
                        "Content-Length: +4\r\n\r\n",
                        "Content-Length: -1\r\n\r\n",
                        "Content-Length: 0x4\r\n\r\n",
                        "Content-Length: 4\u00a0\r\n\r\n",
                        "Content-Length: 99999999999999999999\r\n\r\n",
                        "Content-Length : 4\r\n\r\n",
                        "Content-Length: "
                                + length
                                + "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
                        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
                        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
                        "Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
                        "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
                        "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
                        "Content-Length: 4\r\n X: folded\r\n\r\n");
        for (String shape : shapes) {
            Socket socket = connect("http");
            send(socket, head + shape + second);
            socket.shutdownOutput();
            String answer = rest(socket);
            int answers = answer.split("HTTP/1\\.1 ", -1).length - 1;
            assertTrue(answers <= 1, shape + " gave " + answer);
            assertFalse(answer.contains("VDI.snapshot"), shape + " gave " + answer);
        }
        othersAreServed();
    }

    @Test
    void endsRequestsThatDoNotEnd() throws Exception {
        String line = "X-Header: " + "x".repeat(1000) + "\r\n";
        List<String> endless =
                List.of(
                        "POST /jsonrpc HTTP/1.1\r\n" + line.repeat(1000),
                        "POST /" + "x".repeat(MIB) + " HTTP/1.1\r\n\r\n",
                        "x".repeat(MIB),
                        "POST /jsonrpc HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;"
                                + "x".repeat(MIB),
                        "POST /jsonrpc HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                                + ("400\r\n" + "x".repeat(1024) + "\r\n").repeat(1100),
                        "POST /jsonrpc HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
                                + line.repeat(1000),
                        "POST /jsonrpc HTTP/1.1\r\nContent-Length: 2000000000\r\n\r\n");
        for (String request : endless) {
            Socket socket = connect("http");
            CompletableFuture<Void> poured =
                    pour(socket, request.getBytes(StandardCharsets.UTF_8), 1);
            String answer = rest(socket);
            assertTrue(
                    answer.isEmpty()
                            || answer.startsWith("HTTP/1.1 4")
                            || answer.startsWith("HTTP/1.1 5"),
                    answer);
            poured.get(30, TimeUnit.SECONDS);
        }
        othersAreServed();
    }

    @Test
    void servesOthersWhileManyAreIdleOrSlow() throws Exception {
        for (int i = 0; i < 200; i++) {
            Socket socket = connect(i % 2 == 0 ? "http" : "https");
            switch (i % 4) {
                case 0 -> send(socket, "POST /jsonrpc HTTP/1.1\r\nHos");
                case 1 -> socket.getOutputStream().write(new byte[] {22, 3, 1, 2, 0, 1, 0, 1});
                case 2 ->
                        send(
                                socket,
                                "POST /jsonrpc HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n{\"a");
                default -> {
                    // Says nothing at all.
                }
            }
        }
        othersAreServed();
    }

    /** Each small text becomes fifty times as much in memory, before it is known who sent it. */
    @Test
    void readsManyLargeRequestsInBoundedMemory() throws Exception {
        byte[] json =
                ("{\"method\":\"x\",\"params\":[" + "{},".repeat(345_000) + "1]}")
                        .getBytes(StandardCharsets.UTF_8);
        byte[] values =
                ("<methodCall><methodName>x</methodName><params>"
                                + "<param><value><array><data/></array></value></param>"
                                        .repeat(19_000)
                                + "</params></methodCall>")
                        .getBytes(StandardCharsets.UTF_8);
        List<CompletableFuture<Void>> all = new ArrayList<>();
        for (int i = 0; i < 150; i++) {
            Socket socket = connect("http");
            byte[] body = i % 3 == 0 ? values : json;
            send(
                    socket,
                    "POST "
                            + (i % 3 == 0 ? "/" : "/jsonrpc")
                            + " HTTP/1.1\r\nContent-Length: "
                            + body.length
                            + "\r\n\r\n");
            all.add(pour(socket, body, 1));
        }
        othersAreServed();
        for (CompletableFuture<Void> one : all) {
            one.get(60, TimeUnit.SECONDS);
        }
        othersAreServed();
    }

    @Test
    void servesOthersWhileSomeNeverRead() throws Exception {
        String session = daemon.login();
        for (int i = 0; i < 200; i++) {
            daemon.rpc("task.create", session, "task " + i, "x".repeat(16_000));
        }
        String asked =
                post("{\"method\":\"task.get_all_records\",\"params\":[\"" + session + "\"]}");
        List<CompletableFuture<Void>> all = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            Socket socket = connect("http");
            socket.setReceiveBufferSize(4096);
            all.add(pour(socket, asked.getBytes(StandardCharsets.UTF_8), 1000));
        }
        othersAreServed();
        for (Socket socket : sockets) {
            socket.setSoLinger(true, 0);
            socket.close();
        }
        for (CompletableFuture<Void> one : all) {
            one.get(60, TimeUnit.SECONDS);
        }
        othersAreServed();
    }

    @Test
    void survivesConnectionsThatAreReset() throws Exception {
        byte[] whole = post(LIST).getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < 300; i++) {
            Socket socket = connect(i % 2 == 0 ? "http" : "https");
            socket.getOutputStream().write(whole, 0, 1 + i * 7 % whole.length);
            socket.setSoLinger(true, 0);
            socket.close();
        }
        othersAreServed();
    }

    @Test
    void servesOthersDuringAStormOfHandshakes() throws Exception {
        byte[] garbage = new byte[64 * 1024];
        for (int i = 0; i < garbage.length; i++) {
            garbage[i] = (byte) (i * 31 + 7);
        }
        List<CompletableFuture<Void>> all = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            all.add(pour(connect("https"), garbage, 4));
        }
        othersAreServed();
        for (CompletableFuture<Void> one : all) {
            one.get(30, TimeUnit.SECONDS);
        }
        for (Socket socket : List.copyOf(sockets)) {
            assertFalse(rest(socket).contains("HTTP"));
        }
        othersAreServed();
    }

    /** A handshake costs the server more than the client: on one connection there is one. */
    @Test
    void refusesToNegotiateAgain() throws Exception {
        SSLSocket socket =
                (SSLSocket)
                        daemon.trusting()
                                .getSocketFactory()
                                .createSocket("localhost", daemon.port("https"));
        sockets.add(socket);
        socket.setSoTimeout(20_000);
        socket.setEnabledProtocols(new String[] {"TLSv1.2"});
        socket.startHandshake();
        send(socket, post(LIST));
        readOne(socket.getInputStream());
        assertThrows(
                IOException.class,
                () -> {
                    socket.startHandshake();
                    send(socket, post(LIST));
                    readOne(socket.getInputStream());
                });
        othersAreServed();
    }

    @Test
    void servesOthersDuringAStormOfLogins() throws Exception {
        for (int i = 0; i < 100; i++) {
            send(
                    connect("http"),
                    post(
                            "{\"method\":\"session.login_with_password\",\"params\":[\"root\",\""
                                    + "guess".repeat(1000)
                                    + i
                                    + "\"]}"));
        }
        othersAreServed();
        assertTrue(daemon.login().startsWith("OpaqueRef:"), "who knows the password gets in");
    }
}
