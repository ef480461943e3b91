// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.vdi.time.Clock;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** An iSCSI target of its own on the loopback network, with a LUN for each file. */
final class TgtServer implements AutoCloseable {
    static final String HOST = "127.0.0.1";
    static final int PORT = 33_270;

    private static final String CONTROL_PORT = "27";
    private static final String NAME = "iqn.2026-11.dev.varve:bench";
    private static final int SECONDS = 10;

    private final Clock clock = Clock.system();
    private final Programs programs;
    private final Path directory;
    private final Process daemon;
    private final List<Path> files = new ArrayList<>();

    TgtServer(Programs programs, Path directory) throws IOException, InterruptedException {
        this.programs = programs;
        this.directory = directory;
        ProcessBuilder builder =
                new ProcessBuilder(
                                "tgtd",
                                "-f",
                                "-C",
                                CONTROL_PORT,
                                "--iscsi",
                                "portal=" + HOST + ":" + PORT)
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD);
        builder.environment().putAll(environment());
        daemon = builder.start();
        awaitPortal();
    }

    private Map<String, String> environment() {
        return Map.of("TGT_IPC_SOCKET", directory.resolve("tgt.ipc").toString());
    }

    private void awaitPortal() throws IOException {
        long deadline = clock.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
        while (!answers()) {
            if (!daemon.isAlive() || clock.nanoTime() > deadline) {
                daemon.destroyForcibly();
                throw new IOException("tgtd did not start to serve at " + HOST + ":" + PORT);
            }
        }
    }

    private static boolean answers() {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), PORT), 100);
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    /** The name of a target. */
    String name(int target) {
        return NAME + target;
    }

    /** Where libiscsi finds the LUN of a target. */
    String uri(int target) {
        return "iscsi://%s:%d/%s/1".formatted(HOST, PORT, name(target));
    }

    /** Adds a target with one LUN, number 1, on a new file all of which has its space. */
    void add(int target, long sizeBytes) throws IOException, InterruptedException {
        Path file = directory.resolve("lun%d.img".formatted(target));
        files.add(file);
        try (RandomAccessFile made = new RandomAccessFile(file.toString(), "rw")) {
            made.setLength(sizeBytes);
        }
        programs.run(
                List.of("fallocate", "-l", Long.toString(sizeBytes), file.toString()), SECONDS);
        String id = Integer.toString(target);
        manage("target", "new", "--tid", id, "--targetname", name(target));
        manage(
                "logicalunit",
                "new",
                "--tid",
                id,
                "--lun",
                "1",
                "--bstype",
                "rdwr",
                "--bsoflags",
                "direct",
                "--backing-store",
                file.toString());
        manage("target", "bind", "--tid", id, "--initiator-address", "ALL");
    }

    private void manage(String mode, String operation, String... arguments)
            throws IOException, InterruptedException {
        List<String> words =
                new ArrayList<>(
                        List.of(
                                "tgtadm",
                                "-C",
                                CONTROL_PORT,
                                "--lld",
                                "iscsi",
                                "--mode",
                                mode,
                                "--op",
                                operation));
        words.addAll(List.of(arguments));
        programs.run(words, environment(), SECONDS);
    }

    /** Nothing that it serves is of use any more. */
    @Override
    public void close() throws IOException {
        daemon.destroyForcibly().onExit().join();
        for (Path file : files) {
            Files.deleteIfExists(file);
        }
    }
}
