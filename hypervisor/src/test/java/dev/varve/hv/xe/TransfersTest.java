// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.NetworkDaemon;
import dev.varve.hv.testing.TransferDaemon;

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
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** {@code vdi-export} and {@code vdi-import} of the client, over the socket file and over TLS. */
final class TransfersTest {
    private static final int SIZE = 8 << 20;

    @TempDir Path home;
    @TempDir Path files;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private final byte[] model = new byte[SIZE];
    private TransferDaemon daemon;
    private Server server;
    private String uuid;

    @BeforeEach
    void start() throws IOException {
        daemon = new TransferDaemon(home);
        server = Server.local(home);
        uuid = disk();
        byte[] data = new byte[100_000];
        new Random(5).nextBytes(data);
        System.arraycopy(data, 0, model, 3 << 20, data.length);
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private String disk() {
        return daemon.uuid("VDI", daemon.disk(SIZE));
    }

    private int run(String... words) throws IOException {
        PrintStream to = new PrintStream(out, true, StandardCharsets.UTF_8);
        PrintStream errors = new PrintStream(err, true, StandardCharsets.UTF_8);
        return new CliClient(server, to, errors, false).run(List.of(words));
    }

    private void ok(String... words) throws IOException {
        assertEquals(0, run(words), err::toString);
    }

    private String said() {
        return err.toString(StandardCharsets.UTF_8);
    }

    private Path modelFile() throws IOException {
        return Files.write(files.resolve("model.raw"), model);
    }

    private void roundTrip(String... more) throws IOException {
        ok(words("vdi-import", uuid, modelFile(), "raw", more));
        for (String format : List.of("raw", "vhd")) {
            Path file = files.resolve("out." + format + more.length);
            String copy = disk();
            ok(words("vdi-export", uuid, file, format, more));
            ok(words("vdi-import", copy, file, format, more));
            Path again = files.resolve("again." + format + more.length);
            ok(words("vdi-export", copy, again, "raw", more));
            assertArrayEquals(model, Files.readAllBytes(again));
            assertFalse(Files.exists(files.resolve(file + ".partial")));
        }
    }

    private static String[] words(
            String command, String vdi, Path file, String format, String... more) {
        String[] words = {command, "uuid=" + vdi, "filename=" + file, "format=" + format};
        String[] all = Arrays.copyOf(words, words.length + more.length);
        System.arraycopy(more, 0, all, words.length, more.length);
        return all;
    }

    @Test
    void goesOutAndComesInThroughTheSocket() throws IOException {
        roundTrip();
        assertEquals("", said());
        assertEquals("", out.toString(StandardCharsets.UTF_8));
    }

    @Test
    void goesOutAndComesInOverTls() throws Exception {
        KnownHosts known = new KnownHosts(files.resolve("known"), new PrintStream(err));
        server = new RemoteServer("localhost", daemon.daemon.port("https"), false, known);
        roundTrip("username=root", "password=" + NetworkDaemon.PASSWORD);
    }

    @Test
    void showsProgressInLinesWhereThereIsNoTerminal() throws IOException {
        ok(words("vdi-import", uuid, modelFile(), "raw", "--progress"));
        assertTrue(said().lines().anyMatch(line -> line.startsWith("100 % of 8.0 MiB, ")), said());
        assertFalse(said().contains("\r"));
    }

    @Test
    void doesNotOverwriteFiles() throws IOException {
        Path file = Files.writeString(files.resolve("precious"), "keep me");
        assertEquals(1, run(words("vdi-export", uuid, file, "raw")));
        assertTrue(said().contains("exists already"), said());
        assertEquals("keep me", Files.readString(file));
        assertEquals(List.of(), daemon.daemon.call("task.get_all"));
    }

    @Test
    void saysWhyNothingIsTransferred() throws IOException {
        Path tooLarge = Files.write(files.resolve("large"), new byte[SIZE + 1]);
        assertEquals(1, run(words("vdi-import", uuid, tooLarge, "raw")));
        assertTrue(said().contains("Error code: VDI_TOO_SMALL"), said());
        err.reset();
        assertEquals(1, run(words("vdi-import", uuid, files.resolve("none"), "raw")));
        assertTrue(said().contains("there is no file"), said());
        err.reset();
        assertEquals(1, run(words("vdi-import", uuid, modelFile(), "vhd")));
        assertTrue(said().contains("is no VHD"), said());
        err.reset();
        assertEquals(1, run(words("vdi-import", uuid, modelFile(), "qcow2")));
        assertTrue(said().contains("raw, vhd or vmdk"), said());
        err.reset();
        Path nowhere = files.resolve("no-directory").resolve("file");
        assertEquals(1, run(words("vdi-export", uuid, nowhere, "raw")));
        assertTrue(said().contains("there is no directory"), said());
        assertEquals(List.of(), daemon.daemon.call("task.get_all"));
    }

    /** A stream without a length comes in whole or not at all. */
    @Test
    void readsFromAPipe() throws Exception {
        Path pipe = files.resolve("pipe");
        assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
        Process writer =
                new ProcessBuilder("dd", "if=" + modelFile(), "of=" + pipe, "bs=100000")
                        .redirectErrorStream(true)
                        .start();
        ok(words("vdi-import", uuid, pipe, "raw"));
        writer.waitFor();
        Path file = files.resolve("out");
        ok(words("vdi-export", uuid, file, "raw"));
        assertArrayEquals(model, Files.readAllBytes(file));
    }
}
