// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.StorageException;
import dev.varve.vdi.engine.ActiveVdi;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

import javax.net.ssl.SSLSocket;

/** Disks at addresses in the network, with TLS and without it. */
@Timeout(120)
class NbdNetworkTest {
    private static final int BOTH = Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES;
    private static final String SESSION = "?session_id=OpaqueRef:1";

    @TempDir static Path keys;
    private static TestCertificate certificate;

    @TempDir Path directory;
    private MemoryServer server;
    private ActiveVdi vdi;
    private String name;

    @BeforeAll
    static void makeCertificate() throws Exception {
        certificate = new TestCertificate(keys);
    }

    @BeforeEach
    void start() {
        server = new MemoryServer(directory);
        vdi = server.serve(true);
        name = "/" + vdi.uuid() + SESSION;
    }

    @AfterEach
    void stop() {
        server.close();
    }

    /** Names are those of the field: a path and a session. */
    private static Optional<String> vdi(String requested) {
        boolean fits = requested.startsWith("/") && requested.endsWith(SESSION);
        return fits
                ? Optional.of(requested.substring(1, requested.length() - SESSION.length()))
                : Optional.empty();
    }

    private InetSocketAddress listen(String host, boolean tls) throws IOException {
        InetSocketAddress any = new InetSocketAddress(InetAddress.getByName(host), 0);
        return server.nbd.listen(
                new NbdEndpoint(
                        any,
                        tls ? Optional.of(certificate.server) : Optional.empty(),
                        NbdNetworkTest::vdi));
    }

    private static byte[] pattern(int length, long seed) {
        byte[] data = new byte[length];
        new Random(seed).nextBytes(data);
        return data;
    }

    private RawClient secured(InetSocketAddress address, String protocol) throws IOException {
        RawClient client = new RawClient(address).greet(BOTH);
        client.startTls(certificate.client, protocol);
        return client;
    }

    /** Chooses the disk on a connection that has greeted. */
    private RawClient choose(RawClient client, boolean structured) throws IOException {
        if (structured) {
            client.ask(Nbd.OPT_STRUCTURED_REPLY, new byte[0]);
            client.ask(
                    Nbd.OPT_SET_META_CONTEXT, RawClient.contextData(name, Nbd.CONTEXT_ALLOCATION));
        }
        assertEquals(Nbd.REP_ACK, client.ask(Nbd.OPT_GO, RawClient.goData(name)).type());
        return client;
    }

    private static byte[] tail(byte[] data, int length) {
        return Arrays.copyOfRange(data, data.length - length, data.length);
    }

    private static void writeAndRead(RawClient client, int length, long seed) throws IOException {
        byte[] data = pattern(length, seed);
        client.write(0, 1, 4096, data);
        assertEquals(0, client.reply(0).error());
        client.command(0, Nbd.CMD_READ, 2, 4096, length);
        assertArrayEquals(data, tail(client.reply(length).data(), length));
    }

    private static void leave(RawClient client) throws IOException {
        client.command(0, Nbd.CMD_DISC, 3, 0, 0);
        assertTrue(client.isEnded());
        client.close();
    }

    private String line(String address) {
        return server.nbd.describe().stream()
                .filter(line -> line.contains(address))
                .findFirst()
                .orElseThrow();
    }

    // ---- without TLS

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1", "::1"})
    void servesAtAnAddress(String host) throws IOException {
        RawClient client = choose(new RawClient(listen(host, false)).greet(BOTH), false);
        writeAndRead(client, 1 << 20, 1);
        writeAndRead(client, 20_480, 2);
        leave(client);
        server.awaitConnections(0);
    }

    @Test
    void namesAreCheckedAndNotTold() throws IOException {
        try (RawClient client = new RawClient(listen("127.0.0.1", false)).greet(BOTH)) {
            assertEquals(Nbd.REP_ERR_POLICY, client.ask(Nbd.OPT_LIST, new byte[0]).type());
            for (String wrong : new String[] {vdi.uuid().toString(), "", "/x" + SESSION}) {
                byte[] data = RawClient.goData(wrong);
                assertEquals(Nbd.REP_ERR_UNKNOWN, client.ask(Nbd.OPT_INFO, data).type());
                assertEquals(Nbd.REP_ERR_UNKNOWN, client.ask(Nbd.OPT_GO, data).type());
            }
            assertEquals(Nbd.REP_ERR_POLICY, client.ask(Nbd.OPT_STARTTLS, new byte[0]).type());
            choose(client, true);
            writeAndRead(client, 4096, 1);
        }
    }

    @Test
    void saysWhyItCannotListen() throws IOException {
        InetSocketAddress taken = listen("127.0.0.1", false);
        NbdEndpoint again = new NbdEndpoint(taken, Optional.empty(), NbdNetworkTest::vdi);
        StorageException thrown =
                assertThrows(StorageException.class, () -> server.nbd.listen(again));
        assertTrue(thrown.getMessage().contains("EADDRINUSE"), thrown.getMessage());
        InetSocketAddress unknown = InetSocketAddress.createUnresolved("nowhere.invalid", 1);
        assertThrows(
                IllegalArgumentException.class,
                () -> new NbdEndpoint(unknown, Optional.empty(), NbdNetworkTest::vdi));
    }

    // ---- TLS

    @ParameterizedTest
    @CsvSource({"TLSv1.3, true", "TLSv1.3, false", "TLSv1.2, true"})
    void servesUnderTls(String protocol, boolean structured) throws IOException {
        InetSocketAddress address = listen("127.0.0.1", true);
        RawClient client = choose(secured(address, protocol), structured);
        for (int length : new int[] {512, 4096, 16_384, 20_480, 65_536, 1 << 20, 32 << 20}) {
            writeAndRead(client, length, length);
        }
        leave(client);
        server.awaitConnections(0);
        assertTrue(line(":" + address.getPort()).contains(", TLS: 0 of 500 connections"));
        server.onLane(vdi, () -> assertEquals(0, vdi.requests().inUse()));
    }

    @Test
    void beforeTlsNothingElseIsAnswered() throws IOException {
        InetSocketAddress address = listen("127.0.0.1", true);
        try (RawClient client = new RawClient(address).greet(BOTH)) {
            byte[] go = RawClient.goData(name);
            for (int option : new int[] {Nbd.OPT_LIST, Nbd.OPT_INFO, Nbd.OPT_GO, 8, 9, 10, 77}) {
                assertEquals(Nbd.REP_ERR_TLS_REQD, client.ask(option, go).type());
            }
            assertEquals(Nbd.REP_ERR_TLS_REQD, client.ask(Nbd.OPT_GO, new byte[9000]).type());
            assertEquals(Nbd.REP_ERR_INVALID, client.ask(Nbd.OPT_STARTTLS, new byte[1]).type());
            client.startTls(certificate.client, "TLSv1.3");
            assertEquals(Nbd.REP_ERR_INVALID, client.ask(Nbd.OPT_STARTTLS, new byte[0]).type());
            assertEquals(Nbd.REP_ERR_POLICY, client.ask(Nbd.OPT_LIST, new byte[0]).type());
            writeAndRead(choose(client, true), 4096, 1);
        }
        try (RawClient client = new RawClient(address).greet(BOTH)) {
            client.send(
                    RawClient.option(Nbd.OPT_EXPORT_NAME, name.getBytes(StandardCharsets.UTF_8)));
            assertTrue(client.isEnded());
        }
        try (RawClient client = new RawClient(address).greet(BOTH)) {
            assertEquals(Nbd.REP_ACK, client.ask(Nbd.OPT_ABORT, new byte[0]).type());
            assertTrue(client.isEnded());
        }
    }

    private static byte[] join(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }

    /**
     * Somebody on the way puts options behind the client's request for TLS, for them to be taken as
     * the client's own words once the connection is protected.
     */
    @Test
    void wordsThatWereSlippedInBeforeTlsEndTheConnection() throws IOException {
        InetSocketAddress address = listen("127.0.0.1", true);
        byte[] start = RawClient.option(Nbd.OPT_STARTTLS, new byte[0]);
        byte[] list = RawClient.option(Nbd.OPT_LIST, new byte[0]);
        byte[] go = RawClient.option(Nbd.OPT_GO, RawClient.goData(name));
        for (byte[] slipped : new byte[][] {list, go, new byte[] {0x16}, new byte[8000]}) {
            try (RawClient client = new RawClient(address).greet(BOTH)) {
                client.send(join(start, slipped));
                try {
                    assertEquals(Nbd.REP_ACK, client.optionReply().type());
                } catch (IOException ended) {
                    continue; // the end came before the answer was read
                }
                assertTrue(client.isEnded());
            }
        }
        server.awaitConnections(0);
        assertTrue(line("TLS").contains(" 4 TLS handshakes failed"), line("TLS"));
    }

    /** The same words after the answer are no TLS. */
    @Test
    void wordsWithoutProtectionWithinTheHandshakeEndTheConnection() throws IOException {
        InetSocketAddress address = listen("127.0.0.1", true);
        try (RawClient client = new RawClient(address).greet(BOTH)) {
            assertEquals(Nbd.REP_ACK, client.ask(Nbd.OPT_STARTTLS, new byte[0]).type());
            client.send(RawClient.option(Nbd.OPT_GO, RawClient.goData(name)));
            assertTrue(client.isEnded());
        }
        server.awaitConnections(0);
        assertTrue(line("TLS").contains(" 1 TLS handshakes failed"), line("TLS"));
    }

    @Test
    void aClientThatSpeaksNoTlsAnyMoreIsEnded() throws Exception {
        InetSocketAddress address = listen("127.0.0.1", true);
        try (Relay relay = new Relay(address, 1 << 16);
                RawClient client = choose(secured(relay.address(), "TLSv1.3"), false)) {
            writeAndRead(client, 4096, 1);
            relay.slipIn(RawClient.request(0, Nbd.CMD_WRITE, 1, 0, 512));
            assertTrue(client.isEnded());
        }
        server.awaitConnections(0);
    }

    /** Records arrive in pieces that have nothing to do with where they begin and end. */
    @ParameterizedTest
    @CsvSource({"TLSv1.3, 7", "TLSv1.3, 1500", "TLSv1.2, 40"})
    void takesRecordsInAnyPieces(String protocol, int pieceBytes) throws Exception {
        InetSocketAddress address = listen("127.0.0.1", true);
        try (Relay relay = new Relay(address, pieceBytes)) {
            RawClient client = choose(secured(relay.address(), protocol), true);
            writeAndRead(client, 512, 1);
            writeAndRead(client, Math.max(20_480, 512 * pieceBytes), 2);
            leave(client);
        }
        server.awaitConnections(0);
    }

    /** In TLS 1.3 the JDK's client changes its keys and asks the server to change its own. */
    @Test
    void goesOnAfterChangesOfKeys() throws IOException {
        InetSocketAddress address = listen("127.0.0.1", true);
        try (RawClient client = new RawClient(address).greet(BOTH)) {
            SSLSocket socket = client.startTls(certificate.client, "TLSv1.3");
            choose(client, false);
            for (int i = 0; i < 20; i++) {
                socket.startHandshake();
                writeAndRead(client, 40_960, i);
            }
        }
    }

    @Test
    void anotherHandshakeEndsTheConnection() throws IOException {
        InetSocketAddress address = listen("127.0.0.1", true);
        try (RawClient client = new RawClient(address).greet(BOTH)) {
            SSLSocket socket = client.startTls(certificate.client, "TLSv1.2");
            choose(client, false);
            writeAndRead(client, 4096, 1);
            assertThrows(
                    IOException.class,
                    () -> {
                        socket.startHandshake();
                        writeAndRead(client, 4096, 2);
                    });
        }
        server.awaitConnections(0);
    }

    /**
     * An end without a goodbye could come from anybody: a careful client takes it for an attack.
     */
    @ParameterizedTest
    @ValueSource(strings = {"TLSv1.3", "TLSv1.2"})
    void bothSidesSayGoodbye(String protocol) throws IOException {
        InetSocketAddress address = listen("127.0.0.1", true);
        try (RawClient client = choose(secured(address, protocol), false)) {
            writeAndRead(client, 4096, 1);
            client.command(0, Nbd.CMD_DISC, 3, 0, 0);
            IOException end = assertThrows(IOException.class, () -> client.receive(1));
            assertEquals("the server closed the connection", end.getMessage());
        }
        try (RawClient client = new RawClient(address).greet(BOTH)) {
            SSLSocket socket = client.startTls(certificate.client, protocol);
            choose(client, false);
            writeAndRead(client, 4096, 2);
            socket.shutdownOutput();
            IOException end = assertThrows(IOException.class, () -> client.receive(1));
            assertEquals("the server closed the connection", end.getMessage());
        }
        server.awaitConnections(0);
    }

    /** A client that first asks for much and then reads slowly makes every send a partial one. */
    @Test
    void aSlowReaderGetsEverything() throws IOException {
        InetSocketAddress address = listen("127.0.0.1", true);
        byte[] data = pattern(8 << 20, 9);
        try (RawClient client = choose(secured(address, "TLSv1.3"), false)) {
            client.write(0, 1, 0, data);
            assertEquals(0, client.reply(0).error());
            for (int i = 0; i < 8; i++) {
                client.command(0, Nbd.CMD_READ, i, (long) i << 20, 1 << 20);
            }
            Set<Long> cookies = new HashSet<>();
            for (int i = 0; i < 8; i++) {
                RawClient.Reply reply = client.reply(1 << 20);
                int at = (int) reply.cookie() << 20;
                assertArrayEquals(Arrays.copyOfRange(data, at, at + (1 << 20)), reply.data());
                cookies.add(reply.cookie());
            }
            assertEquals(8, cookies.size());
        }
    }

    @Test
    void answersAPipelineUnderTls() throws Exception {
        InetSocketAddress address = listen("127.0.0.1", true);
        byte[] data = pattern(200 * 8192, 3);
        try (RawClient client = choose(secured(address, "TLSv1.3"), true)) {
            CompletableFuture<Void> sender =
                    CompletableFuture.runAsync(() -> writePieces(client, data));
            for (int i = 0; i < 200; i++) {
                assertEquals(0, client.reply(0).error());
            }
            sender.get(60, TimeUnit.SECONDS);
            ByteBuffer reads = ByteBuffer.allocate(200 * 28);
            for (int i = 0; i < 200; i++) {
                reads.put(RawClient.request(0, Nbd.CMD_READ, i, 8192L * i, 8192));
            }
            client.send(reads.array());
            for (int i = 0; i < 200; i++) {
                RawClient.Reply reply = client.reply(8192);
                int at = (int) reply.cookie() * 8192;
                assertArrayEquals(
                        Arrays.copyOfRange(data, at, at + 8192), tail(reply.data(), 8192));
            }
        }
    }

    private static void writePieces(RawClient client, byte[] data) {
        try {
            for (int i = 0; i < 200; i++) {
                client.write(0, i, 8192L * i, Arrays.copyOfRange(data, i * 8192, (i + 1) * 8192));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void theDiskThatIsWithdrawnEndsItsClientsInTheNetwork() throws IOException {
        InetSocketAddress address = listen("127.0.0.1", true);
        try (RawClient client = choose(secured(address, "TLSv1.3"), false);
                RawClient plain =
                        choose(new RawClient(listen("127.0.0.1", false)).greet(BOTH), false)) {
            server.end(vdi);
            assertTrue(client.isEnded());
            assertTrue(plain.isEnded());
        }
        server.awaitConnections(0);
        assertFalse(server.engine.find(vdi.uuid()).isPresent());
    }
}
