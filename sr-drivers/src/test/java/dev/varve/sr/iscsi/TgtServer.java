// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Assumptions;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A target of tgt on loopback, with a socket for its control that nobody else uses. What is made of
 * targets and LUNs is made again when it is {@linkplain #restart restarted} after {@link #kill}.
 *
 * <p>Needs root and the package tgt.
 */
public final class TgtServer implements AutoCloseable {
    /** Where the first, and perhaps the second portal listens. */
    public static final List<String> ADDRESSES = List.of("127.0.0.1", "127.0.0.2");

    private static final Path TGTD = Path.of("/usr/sbin/tgtd");
    private static final long PATIENCE_SECONDS = 20;
    private static final int MAX_CONTROL_PORT = 32768;

    private final Path directory;
    private final List<Portal> portals;
    private final int control;
    private final List<List<String>> made = new ArrayList<>();
    private Process process;

    private TgtServer(Path directory, List<Portal> portals) {
        this.directory = directory;
        this.portals = portals;
        this.control =
                (int) (ProcessHandle.current().pid() % 1000)
                        + portals.getFirst().port() % MAX_CONTROL_PORT;
    }

    /** Skips the test where tgt cannot be run. */
    public static void assumeThere() {
        Assumptions.assumeTrue(Files.isExecutable(TGTD), "tgtd is not installed (package tgt)");
        Assumptions.assumeTrue("root".equals(System.getProperty("user.name")), "tgtd needs root");
    }

    /** Starts one with so many portals, each on a loopback address of its own, without targets. */
    public static TgtServer start(Path directory, int portals) throws Exception {
        assumeThere();
        int port = freePort();
        List<Portal> places = new ArrayList<>();
        for (int i = 0; i < portals; i++) {
            places.add(new Portal(ADDRESSES.get(i), port));
        }
        TgtServer server = new TgtServer(directory, List.copyOf(places));
        server.launch();
        return server;
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    private void launch() throws Exception {
        String listen =
                "portal="
                        + String.join(",portal=", portals.stream().map(Portal::toString).toList());
        process =
                builder(
                                List.of(
                                        TGTD.toString(),
                                        "-f",
                                        "-C",
                                        "" + control,
                                        "-t",
                                        "2",
                                        "--iscsi",
                                        listen))
                        .redirectOutput(ProcessBuilder.Redirect.appendTo(log().toFile()))
                        .start();
        for (Portal portal : portals) {
            awaitListening(portal);
        }
    }

    private ProcessBuilder builder(List<String> command) {
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("TGT_IPC_SOCKET", directory.resolve("tgt.ipc").toString());
        return builder;
    }

    private Path log() {
        return directory.resolve("tgtd.log");
    }

    /** A connection is what tells that it listens; between tries there is nothing to wait for. */
    private void awaitListening(Portal portal) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (true) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(portal.host(), portal.port()), 1000);
                return;
            } catch (IOException e) {
                assertTrue(process.isAlive(), () -> "tgtd has ended: " + readLog());
                assertTrue(System.nanoTime() < end, () -> "tgtd does not listen: " + readLog());
                process.waitFor(20, TimeUnit.MILLISECONDS);
            }
        }
    }

    private String readLog() {
        try {
            return Files.readString(log());
        } catch (IOException e) {
            return e.toString();
        }
    }

    /** Where it listens. */
    public List<Portal> portals() {
        return portals;
    }

    /** The first of them. */
    public Portal portal() {
        return portals.getFirst();
    }

    /** The daemon, for signals. */
    public long pid() {
        return process.pid();
    }

    // ---- what it offers

    /** Makes a target that every initiator may use. */
    public void addTarget(int id, String name) throws Exception {
        keep("--mode", "target", "--op", "new", "--tid", "" + id, "--targetname", name);
        keep("--mode", "target", "--op", "bind", "--tid", "" + id, "--initiator-address", "ALL");
    }

    /** Makes a target that only one initiator may use. */
    public void addTargetFor(int id, String name, String initiator) throws Exception {
        keep("--mode", "target", "--op", "new", "--tid", "" + id, "--targetname", name);
        keep("--mode", "target", "--op", "bind", "--tid", "" + id, "--initiator-name", initiator);
    }

    /** Has a target negotiate a key in a way of its own. */
    public void setTarget(int id, String key, String value) throws Exception {
        keep(
                "--mode", "target", "--op", "update", "--tid", "" + id, "--name", key, "--value",
                value);
    }

    /** Has a target ask initiators for a name and a secret. */
    public void addAccount(int id, String user, String secret) throws Exception {
        keep("--mode", "account", "--op", "new", "--user", user, "--password", secret);
        keep("--mode", "account", "--op", "bind", "--tid", "" + id, "--user", user);
    }

    /** Gives a target a name and a secret that initiators may ask for. */
    public void addOutgoingAccount(int id, String user, String secret) throws Exception {
        keep("--mode", "account", "--op", "new", "--user", user, "--password", secret);
        keep("--mode", "account", "--op", "bind", "--tid", "" + id, "--user", user, "--outgoing");
    }

    /** Gives a target a LUN over a new file. */
    public Path addLun(int id, int lun, long bytes, int blockBytes) throws Exception {
        Path file = directory.resolve("lun-%d-%d.img".formatted(id, lun));
        Files.createFile(file);
        try (java.nio.channels.FileChannel channel =
                java.nio.channels.FileChannel.open(file, java.nio.file.StandardOpenOption.WRITE)) {
            channel.write(java.nio.ByteBuffer.wrap(new byte[1]), bytes - 1);
        }
        keep(
                "--mode",
                "logicalunit",
                "--op",
                "new",
                "--tid",
                "" + id,
                "--lun",
                "" + lun,
                "--backing-store",
                file.toString(),
                "--bstype",
                "rdwr",
                "--blocksize",
                "" + blockBytes);
        return file;
    }

    /** Changes what a LUN says of itself, such as {@code thin_provisioning=1,scsi_sn=abc}. */
    public void setLun(int id, int lun, String parameters) throws Exception {
        keep(
                "--mode",
                "logicalunit",
                "--op",
                "update",
                "--tid",
                "" + id,
                "--lun",
                "" + lun,
                "--params",
                parameters);
    }

    /** Takes a LUN away. */
    public void removeLun(int id, int lun) throws Exception {
        admin(
                List.of(
                        "--mode",
                        "logicalunit",
                        "--op",
                        "delete",
                        "--tid",
                        "" + id,
                        "--lun",
                        "" + lun));
    }

    private void keep(String... arguments) throws Exception {
        made.add(List.of(arguments));
        admin(List.of(arguments));
    }

    /** Runs tgtadm for this daemon, and gives what it prints. */
    public String admin(List<String> arguments) throws Exception {
        List<String> command =
                new ArrayList<>(List.of("tgtadm", "-C", "" + control, "--lld", "iscsi"));
        Collections.addAll(command, arguments.toArray(String[]::new));
        Process admin = builder(command).start();
        String output = new String(admin.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(admin.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS), "tgtadm does not end");
        assertEquals(0, admin.exitValue(), () -> command + ": " + output);
        return output;
    }

    // ---- what can happen to it

    /** SIGKILL. */
    public void kill() {
        process.destroyForcibly();
        process.onExit().orTimeout(PATIENCE_SECONDS, TimeUnit.SECONDS).join();
    }

    /** Starts it again as it was, after {@link #kill}. */
    public void restart() throws Exception {
        launch();
        for (List<String> arguments : made) {
            admin(arguments);
        }
    }

    /** SIGSTOP: connections stay, and nothing is answered. */
    public void freeze() throws Exception {
        signal("-STOP");
    }

    /** SIGCONT. */
    public void thaw() throws Exception {
        signal("-CONT");
    }

    private void signal(String name) throws Exception {
        Process sent = new ProcessBuilder("kill", name, "" + process.pid()).start();
        assertTrue(sent.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS), "kill does not end");
        assertEquals(0, sent.exitValue());
    }

    /** Ends it, whatever it does; only memory of the process holds what it kept. */
    @Override
    public void close() {
        kill();
    }
}
