// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.TestDaemon;
import dev.varve.vdi.time.Threads;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

final class CliClientTest {
    @TempDir Path home;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    private int run(String... words) throws IOException {
        PrintStream to = new PrintStream(out, true, StandardCharsets.UTF_8);
        PrintStream errors = new PrintStream(err, true, StandardCharsets.UTF_8);
        return new CliClient(Server.local(home), to, errors, false).run(List.of(words));
    }

    /** The daemon's side of a conversation. */
    private interface Script {
        void play(InputStream in, OutputStream to) throws IOException;
    }

    private CompletableFuture<Void> serve(Script script) throws IOException {
        Path socket = Files.createDirectories(home.resolve("run")).resolve("xapi.sock");
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(socket));
        CompletableFuture<Void> done = new CompletableFuture<>();
        Threads.platform(
                        "daemon",
                        () -> {
                            try (server;
                                    SocketChannel channel = server.accept()) {
                                InputStream in = Channels.newInputStream(channel);
                                OutputStream to = Channels.newOutputStream(channel);
                                readHead(in);
                                to.write(CliWire.greeting());
                                script.play(in, to);
                                done.complete(null);
                            } catch (IOException | RuntimeException | AssertionError e) {
                                done.completeExceptionally(e);
                            }
                        })
                .start();
        return done;
    }

    private static void readHead(InputStream in) throws IOException {
        StringBuilder head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
            head.append((char) in.read());
        }
        String length = "content-length: ";
        int at = head.indexOf(length) + length.length();
        in.readNBytes(Integer.parseInt(head.substring(at, head.indexOf("\r\n", at))));
    }

    private static void command(OutputStream to, int tag, String text) throws IOException {
        new CliWire.Writer(CliWire.COMMAND, tag).text(text).send(to);
    }

    private static void exit(OutputStream to, int code) throws IOException {
        new CliWire.Writer(CliWire.COMMAND, CliWire.EXIT).number(code).send(to);
    }

    private static void expect(InputStream in, int... numbers) throws IOException {
        CliWire.Reader frame = CliWire.Reader.next(in);
        for (int number : numbers) {
            assertEquals(number, frame.number());
        }
    }

    @Test
    void talksToADaemon() throws IOException {
        try (TestDaemon daemon = new TestDaemon(home, new FakeStorage())) {
            assertEquals(0, run("host-list", "params=name-label", "--minimal"));
            String host = (String) daemon.record("host", daemon.only("host")).get("name_label");
            assertEquals(host + System.lineSeparator(), out.toString(StandardCharsets.UTF_8));
            assertEquals(1, run("sr-fly"));
            assertTrue(err.toString(StandardCharsets.UTF_8).startsWith("Unknown command: sr-fly"));
        }
    }

    @Test
    void saysThatNoDaemonRuns() {
        IOException refused = assertThrows(IOException.class, () -> run("sr-list"));
        assertEquals(
                "no daemon is running under " + home + "; start it with: ./varve start",
                refused.getMessage());
    }

    @Test
    void sendsAFileThatWasNamedAndNoOther() throws Exception {
        Path named = Files.writeString(home.resolve("named"), "content");
        CompletableFuture<Void> daemon =
                serve(
                        (in, to) -> {
                            CliWire.expectGreeting(in);
                            command(to, CliWire.LOAD, named.toString());
                            expect(in, CliWire.RESPONSE, CliWire.OK);
                            expect(in, CliWire.BLOB, CliWire.CHUNK, 7);
                            assertEquals(
                                    "content",
                                    new String(in.readNBytes(7), StandardCharsets.UTF_8));
                            expect(in, CliWire.BLOB, CliWire.END);
                            command(to, CliWire.LOAD, "/etc/passwd");
                            expect(in, CliWire.RESPONSE, CliWire.FAILED);
                            exit(to, 3);
                        });
        assertEquals(3, run("pool-restore", "file-name=" + named));
        daemon.get(20, TimeUnit.SECONDS);
    }

    @Test
    void showsWhatItIsTold() throws Exception {
        CompletableFuture<Void> daemon =
                serve(
                        (in, to) -> {
                            CliWire.expectGreeting(in);
                            command(to, CliWire.PRINT, "line");
                            command(to, CliWire.PRINT_STDERR, "as it is");
                            command(to, CliWire.DEBUG, "not shown");
                            new CliWire.Writer(CliWire.COMMAND, CliWire.ERROR)
                                    .text("CODE")
                                    .number(2)
                                    .text("a")
                                    .text("b")
                                    .send(to);
                            new CliWire.Writer(CliWire.COMMAND, CliWire.HTTP_GET)
                                    .text("f")
                                    .text("/x")
                                    .send(to);
                            expect(in, CliWire.RESPONSE, CliWire.FAILED);
                            exit(to, 0);
                        });
        assertEquals(0, run("x"));
        daemon.get(20, TimeUnit.SECONDS);
        assertEquals("line\n", out.toString(StandardCharsets.UTF_8));
        assertTrue(
                err.toString(StandardCharsets.UTF_8)
                        .startsWith("as it isError code: CODE\nError parameters: a, b\n"));
    }

    @Test
    void refusesWordsThatTheProtocolCannotCarry() throws IOException {
        try (TestDaemon _ = new TestDaemon(home, new FakeStorage())) {
            IOException broken =
                    assertThrows(
                            IOException.class,
                            () -> run("host-list", "name-label=x\nparams=uuid", "--minimal"));
            assertEquals("name-label holds a line break; xe cannot send one", broken.getMessage());
            assertThrows(IOException.class, () -> run("host-list", "name-label=x\r"));
            IOException garbled =
                    assertThrows(IOException.class, () -> run("host-list", "name-label=\ufffd"));
            assertEquals("name-label is not valid UTF-8", garbled.getMessage());
        }
    }

    @Test
    void saysThatTheConnectionBroke() throws Exception {
        CompletableFuture<Void> daemon = serve((in, to) -> CliWire.expectGreeting(in));
        IOException broken = assertThrows(IOException.class, () -> run("x"));
        assertTrue(broken.getMessage().startsWith("the daemon closed the connection"));
        daemon.get(20, TimeUnit.SECONDS);
    }

    @Test
    void needsNothingButTheBaseModule() throws Exception {
        Path classes =
                Path.of(XeMain.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        ProcessBuilder builder =
                new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--limit-modules",
                        "java.base",
                        "-cp",
                        classes.toString(),
                        XeMain.class.getName(),
                        "sr-list");
        builder.environment().put("VARVE_HOME", home.toString());
        Process xe = builder.redirectErrorStream(true).start();
        String said = new String(xe.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(1, xe.waitFor());
        assertTrue(said.contains("start it with: ./varve start"), said);
    }
}
