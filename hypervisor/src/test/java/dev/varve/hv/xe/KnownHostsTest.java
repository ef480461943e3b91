// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.NetworkDaemon;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;

/** The client and a daemon on the network: whom it believes, and what it says when it does not. */
final class KnownHostsTest {
    @TempDir Path home;
    @TempDir Path user;
    private NetworkDaemon daemon;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    @BeforeEach
    void start() throws IOException {
        daemon = new NetworkDaemon(home, new FakeStorage());
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private int xe(String... args) throws IOException {
        out.reset();
        err.reset();
        PrintStream to = new PrintStream(out, true, StandardCharsets.UTF_8);
        PrintStream errors = new PrintStream(err, true, StandardCharsets.UTF_8);
        XeOptions options = XeOptions.of(user.resolve(".xe"), null, args);
        return new CliClient(options.server(user, errors), to, errors, options.debug())
                .run(options.words());
    }

    private int xeWith(String password, String... more) throws IOException {
        return xeTo("localhost", daemon.port("https"), password, more);
    }

    private int xeTo(String host, int port, String password, String... more) throws IOException {
        List<String> args = new ArrayList<>(List.of(more));
        args.addAll(
                List.of("-s", host, "-p", Integer.toString(port), "-u", "root", "-pw", password));
        return xe(args.toArray(String[]::new));
    }

    private Path known() {
        return user.resolve("known_hosts");
    }

    @Test
    void writesANewHostDownAndBelievesItFromThenOn() throws IOException {
        assertEquals(0, xeWith(NetworkDaemon.PASSWORD, "host-list", "--minimal"));
        String host = out.toString(StandardCharsets.UTF_8).strip();
        assertEquals(36, host.length(), host);
        String note = err.toString(StandardCharsets.UTF_8);
        List<String> lines = Files.readAllLines(known());
        assertEquals(1, lines.size());
        String[] words = lines.getFirst().split(" ", -1);
        assertEquals("localhost:" + daemon.port("https"), words[0]);
        assertTrue(note.contains(words[0] + " is new") && note.contains(words[1]), note);
        assertEquals(
                "rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(known())));

        assertEquals(0, xeWith(NetworkDaemon.PASSWORD, "host-list", "--minimal"));
        assertEquals(host, out.toString(StandardCharsets.UTF_8).strip());
        assertEquals("", err.toString(StandardCharsets.UTF_8), "it is new only once");
        assertEquals(lines, Files.readAllLines(known()));

        assertEquals(0, xeTo("127.0.0.1", daemon.port("https"), NetworkDaemon.PASSWORD, "sr-list"));
        assertEquals(2, Files.readAllLines(known()).size(), "another name is another host");
    }

    @Test
    void refusesAHostThatShowsAnotherCertificate() throws IOException {
        String name = "localhost:" + daemon.port("https");
        Files.writeString(known(), name + " " + "0".repeat(64) + "\n");
        IOException failure =
                assertThrows(IOException.class, () -> xeWith(NetworkDaemon.PASSWORD, "sr-list"));
        assertTrue(
                failure.getMessage().startsWith(name + " shows another certificate than before"),
                failure.getMessage());
        assertTrue(failure.getMessage().contains(known().toString()), failure.getMessage());
        assertEquals(1, Files.readAllLines(known()).size(), "it was not written down");
    }

    /** A port that begins like another one is not the other one. */
    @Test
    void doesNotTakeTheRecordOfAnotherPort() throws IOException {
        String name = "localhost:" + daemon.port("https");
        Files.writeString(known(), name + "9 " + "0".repeat(64) + "\n");
        assertEquals(0, xeWith(NetworkDaemon.PASSWORD, "sr-list"));
        assertEquals(2, Files.readAllLines(known()).size());
    }

    @Test
    void takesNamesOfHostsInAnyCase() throws IOException {
        assertEquals(0, xeTo("LocalHost", daemon.port("https"), NetworkDaemon.PASSWORD, "sr-list"));
        assertEquals(0, xeWith(NetworkDaemon.PASSWORD, "sr-list"));
        assertEquals(1, Files.readAllLines(known()).size());
    }

    @Test
    void addsToAFileWhoseLastLineHasNoEnd() throws IOException {
        Files.writeString(known(), "elsewhere:443 " + "0".repeat(64));
        assertEquals(0, xeWith(NetworkDaemon.PASSWORD, "sr-list"));
        assertEquals(2, Files.readAllLines(known()).size());
        assertEquals(0, xeWith(NetworkDaemon.PASSWORD, "sr-list"));
        assertEquals("", err.toString(StandardCharsets.UTF_8));
    }

    @Test
    void saysThatItCannotLookAHostUp() throws IOException {
        Files.createDirectory(known());
        IOException failure =
                assertThrows(IOException.class, () -> xeWith(NetworkDaemon.PASSWORD, "sr-list"));
        assertTrue(failure.getMessage().contains(known().toString()), failure.getMessage());
        assertFalse(failure.getMessage().contains("--nossl"), failure.getMessage());
    }

    @Test
    void refusesWrongPasswordsAndNames() throws IOException {
        assertEquals(1, xeWith("wrong password", "sr-list"));
        assertEquals("Authentication failed\n", errors());
        assertEquals("", out.toString(StandardCharsets.UTF_8));
        assertEquals(
                1, xe("sr-list", "-s", "localhost", "-p", Integer.toString(daemon.port("https"))));
        assertEquals("Authentication failed\n", errors());
        assertEquals(
                1,
                xe(
                        "sr-list",
                        "-s",
                        "localhost",
                        "-p",
                        Integer.toString(daemon.port("https")),
                        "-u",
                        "ann",
                        "-pw",
                        NetworkDaemon.PASSWORD));
        assertEquals("Authentication failed\n", errors());
    }

    /** What was said without the note about a new host. */
    private String errors() {
        return err.toString(StandardCharsets.UTF_8)
                .lines()
                .filter(line -> !line.startsWith("xe: "))
                .map(line -> line + "\n")
                .collect(java.util.stream.Collectors.joining());
    }

    @Test
    void talksPlainTextOnlyWhenAsked() throws IOException {
        assertEquals(
                0,
                xeTo(
                        "localhost",
                        daemon.port("http"),
                        NetworkDaemon.PASSWORD,
                        "--nossl",
                        "sr-list"));
        assertFalse(Files.exists(known()), "there is no certificate in plain text");
        IOException failure =
                assertThrows(
                        IOException.class,
                        () ->
                                xeTo(
                                        "localhost",
                                        daemon.port("http"),
                                        NetworkDaemon.PASSWORD,
                                        "sr-list"));
        assertTrue(failure.getMessage().contains("does not speak TLS"), failure.getMessage());
        assertTrue(failure.getMessage().contains("--nossl"), failure.getMessage());
        failure =
                assertThrows(
                        IOException.class,
                        () ->
                                xeTo(
                                        "localhost",
                                        daemon.port("https"),
                                        NetworkDaemon.PASSWORD,
                                        "--nossl",
                                        "sr-list"));
        assertTrue(failure.getMessage().contains("--nossl"), failure.getMessage());
    }

    @Test
    void saysThatNobodyListens() throws IOException {
        int port = daemon.port("https");
        daemon.close();
        IOException failure =
                assertThrows(
                        IOException.class,
                        () -> xeTo("localhost", port, NetworkDaemon.PASSWORD, "sr-list"));
        assertTrue(
                failure.getMessage().startsWith("cannot connect to localhost on port " + port),
                failure.getMessage());
        failure =
                assertThrows(
                        IOException.class,
                        () -> xeTo("no.such.host.invalid", 1, NetworkDaemon.PASSWORD, "sr-list"));
        assertEquals("there is no host no.such.host.invalid", failure.getMessage());
    }
}
