// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.http.HttpServer;
import dev.varve.hv.storage.Drivers;
import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.NetworkDaemon;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.hv.xenapi.Caller;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Scheduler;
import dev.varve.vdi.time.Threads;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;

/** The daemon on the network, as clients of the JDK see it. */
final class NetworkTest {
    private static final String PASSWORD = "correct horse";

    @TempDir Path home;
    private final FakeStorage storage = new FakeStorage();
    private VarveDaemon daemon;

    @BeforeEach
    void start() throws IOException {
        Files.writeString(
                home.resolve(Settings.FILE),
                "api.https=127.0.0.1:0\napi.http=127.0.0.1:0\nnbd.tls=off\n");
        daemon =
                VarveDaemon.start(
                        home,
                        new VarveDaemon.Parts(
                                Clock.system(),
                                RandomSource.secure(),
                                Scheduler.system("test-scheduler"),
                                new Drivers(List.of(storage.driver())),
                                _ -> storage.engine()));
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private void setPassword(String password) {
        Object session =
                daemon.dispatcher()
                        .call(Caller.LOCAL, "session.login_with_password", List.of("root", ""));
        daemon.dispatcher()
                .call(Caller.LOCAL, "session.change_password", List.of(session, "", password));
    }

    private int port(String scheme) {
        return daemon.listeners().stream()
                .filter(listener -> listener.describe().contains(scheme + "://"))
                .mapToInt(HttpServer.Listener::port)
                .findFirst()
                .orElseThrow();
    }

    private static String rpc(String address, String method, String params) throws IOException {
        return rpc(null, address, method, params);
    }

    private static String rpc(SSLContext tls, String address, String method, String params)
            throws IOException {
        String body =
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":[%s]}"
                        .formatted(method, params);
        HttpURLConnection connection =
                (HttpURLConnection) URI.create(address + "/jsonrpc").toURL().openConnection();
        if (connection instanceof HttpsURLConnection secured) {
            secured.setSSLSocketFactory(tls.getSocketFactory());
        }
        connection.setDoOutput(true);
        connection.getOutputStream().write(body.getBytes(StandardCharsets.UTF_8));
        try (InputStream in = connection.getInputStream()) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    @Test
    void listensOnNothingUntilAPasswordIsSet() {
        assertEquals(1, daemon.listeners().size(), "the socket file only");
        setPassword(PASSWORD);
        assertEquals(3, daemon.listeners().size());
    }

    @Test
    void servesTlsWithACertificateThatClientsCanCheck() throws Exception {
        setPassword(PASSWORD);
        SSLContext client = NetworkDaemon.trusting(home);
        for (String host : List.of("localhost", "127.0.0.1")) {
            String address = "https://" + host + ":" + port("https");
            String answer =
                    rpc(
                            client,
                            address,
                            "session.login_with_password",
                            "\"root\",\"" + PASSWORD + "\"");
            assertTrue(answer.contains("OpaqueRef:"), answer);
        }
        assertEquals(
                "rw-------",
                PosixFilePermissions.toString(
                        Files.getPosixFilePermissions(home.resolve("tls").resolve("host.key"))));
    }

    @Test
    void keepsOnlyTheHashOfThePassword() throws IOException {
        setPassword(PASSWORD);
        daemon.close();
        try (var files = Files.walk(home)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String content = Files.readString(file, StandardCharsets.ISO_8859_1);
                assertFalse(content.contains(PASSWORD), file.toString());
            }
        }
    }

    @Test
    void refusesWrongPasswords() throws Exception {
        setPassword(PASSWORD);
        String address = "http://127.0.0.1:" + port("http");
        for (String pair :
                List.of("\"root\",\"wrong\"", "\"ann\",\"" + PASSWORD + "\"", "\"root\",\"\"")) {
            String answer = rpc(address, "session.login_with_password", pair);
            assertTrue(answer.contains("SESSION_AUTHENTICATION_FAILED"), answer);
        }
        assertTrue(rpc(address, "SR.get_all", "\"OpaqueRef:x\"").contains("SESSION_INVALID"));
    }

    @Test
    void closesItsPortsWhenThePasswordIsRemoved() throws Exception {
        setPassword(PASSWORD);
        int port = port("http");
        try (Socket idle = new Socket(InetAddress.getLoopbackAddress(), port)) {
            String said = TestDaemon.xe(daemon, "varve-passwd").ok();
            assertTrue(said.contains("no password is set"), said);
            assertEquals(-1, idle.getInputStream().read());
        }
        assertThrows(
                IOException.class,
                () -> new Socket(InetAddress.getLoopbackAddress(), port).close());
    }

    @Test
    void keepsTheOwnersWayOpenDuringALoginStorm() throws Exception {
        setPassword(PASSWORD);
        String address = "http://127.0.0.1:" + port("http");
        // Once seen, the right password is not held up by those who guess.
        assertTrue(
                rpc(address, "session.login_with_password", "\"root\",\"" + PASSWORD + "\"")
                        .contains("OpaqueRef"));
        List<CompletableFuture<String>> guesses = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            CompletableFuture<String> guess = new CompletableFuture<>();
            guesses.add(guess);
            String pair = "\"root\",\"guess " + i + "\"";
            Threads.virtual(
                            "guess" + i,
                            () -> {
                                try {
                                    guess.complete(
                                            rpc(address, "session.login_with_password", pair));
                                } catch (Exception e) {
                                    guess.completeExceptionally(e);
                                }
                            })
                    .start();
        }
        assertTrue(
                rpc(address, "session.login_with_password", "\"root\",\"" + PASSWORD + "\"")
                        .contains("OpaqueRef"));
        setPassword(PASSWORD + "2");
        for (CompletableFuture<String> guess : guesses) {
            assertTrue(guess.get(60, TimeUnit.SECONDS).contains("SESSION_AUTHENTICATION_FAILED"));
        }
    }

    @Test
    void endsSessionsOfTheNetworkWhenThePasswordChanges() throws Exception {
        setPassword(PASSWORD);
        String address = "http://127.0.0.1:" + port("http");
        String login = rpc(address, "session.login_with_password", "\"root\",\"" + PASSWORD + "\"");
        String session = login.substring(login.indexOf("OpaqueRef:")).split("\"", 2)[0];
        assertTrue(rpc(address, "SR.get_all", "\"" + session + "\"").contains("[]"));
        setPassword("another one");
        assertTrue(rpc(address, "SR.get_all", "\"" + session + "\"").contains("SESSION_INVALID"));
    }

    @Test
    void answersBrowsersThatAskFirst() throws Exception {
        setPassword(PASSWORD);
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port("http"))) {
            socket.getOutputStream()
                    .write(
                            """
                            OPTIONS /jsonrpc HTTP/1.1
                            Host: x
                            Connection: close
                            Access-Control-Request-Headers: content-type

                            """
                                    .replace("\n", "\r\n")
                                    .getBytes(StandardCharsets.US_ASCII));
            String answer =
                    new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            assertTrue(answer.startsWith("HTTP/1.1 200 "), answer);
            assertTrue(answer.contains("access-control-allow-origin: *\r\n"), answer);
            assertTrue(
                    answer.contains(
                            "access-control-allow-headers: content-type, X-Requested-With\r\n"),
                    answer);
        }
    }

    @Test
    void servesMoreThanItsShareOfIdleClients() throws Exception {
        setPassword(PASSWORD);
        int port = port("http");
        List<Socket> idle = new ArrayList<>();
        try {
            for (int i = 0; i < 300; i++) {
                idle.add(new Socket(InetAddress.getLoopbackAddress(), port));
            }
            String answer =
                    rpc(
                            "http://127.0.0.1:" + port,
                            "session.login_with_password",
                            "\"root\",\"" + PASSWORD + "\"");
            assertTrue(answer.contains("OpaqueRef"), answer);
            InputStream first = idle.getFirst().getInputStream();
            assertEquals(-1, first.read(), "the one that was idle for longest made room");
        } finally {
            for (Socket socket : idle) {
                socket.close();
            }
        }
    }
}
