// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.testing;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** An iSCSI target on the loopback network with one LUN, which can be killed and started again. */
public final class IscsiTarget implements AutoCloseable {
    private static final String NAME = "iqn.2026-01.dev.varve:test";
    private static final String SCSI_ID = "360000000000000000e00000000010001";
    private static final int START_TRIES = 200;

    private final Path directory;
    private final Path image;
    private final int port;
    private Process process;

    private IscsiTarget(Path directory, Path image, int port) {
        this.directory = directory;
        this.image = image;
        this.port = port;
    }

    /** Which of the programs that this and a test need are not installed. */
    public static List<String> missing(String... more) {
        List<String> missing = new ArrayList<>(List.of("tgtd", "tgtadm"));
        missing.addAll(List.of(more));
        missing.removeIf(
                name ->
                        Files.isExecutable(Path.of("/usr/sbin", name))
                                || Files.isExecutable(Path.of("/usr/bin", name)));
        return missing;
    }

    /** Starts a target whose LUN is a file in the directory. */
    public static IscsiTarget start(Path directory, long sizeBytes)
            throws IOException, InterruptedException {
        Path image = directory.resolve("lun");
        try (RandomAccessFile file = new RandomAccessFile(image.toString(), "rw")) {
            file.setLength(sizeBytes);
        }
        int port;
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = socket.getLocalPort();
        }
        IscsiTarget target = new IscsiTarget(directory, image, port);
        target.startAgain();
        return target;
    }

    /** The device configuration of a repository on the LUN. */
    public Map<String, String> config() {
        return Map.of(
                "target",
                "127.0.0.1",
                "port",
                Integer.toString(port),
                "targetIQN",
                NAME,
                "SCSIid",
                SCSI_ID);
    }

    /** Ends it at once. */
    public void kill() {
        process.destroyForcibly().onExit().join();
    }

    /** Starts it over the same LUN, at the same address. */
    public void startAgain() throws IOException, InterruptedException {
        Files.deleteIfExists(ipc());
        ProcessBuilder builder =
                new ProcessBuilder(
                                "tgtd",
                                "-f",
                                "-C",
                                control(),
                                "--iscsi",
                                "portal=127.0.0.1:" + port)
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD);
        builder.environment().put("TGT_IPC_SOCKET", ipc().toString());
        process = builder.start();
        for (int tries = 0; !Files.exists(ipc()) && tries < START_TRIES; tries++) {
            if (process.waitFor(10, TimeUnit.MILLISECONDS)) {
                throw new IOException("tgtd does not start");
            }
        }
        admin("--mode", "target", "--op", "new", "--tid", "1", "--targetname", NAME);
        admin(
                "--mode",
                "logicalunit",
                "--op",
                "new",
                "--tid",
                "1",
                "--lun",
                "1",
                "--backing-store",
                image.toString(),
                "--bstype",
                "rdwr");
        admin("--mode", "target", "--op", "bind", "--tid", "1", "--initiator-address", "ALL");
    }

    /** A number that no other target of this machine has. */
    private String control() {
        return Integer.toString(port % 30_000 + 1);
    }

    private Path ipc() {
        return directory.resolve("tgt.ipc");
    }

    private void admin(String... words) throws IOException, InterruptedException {
        List<String> command =
                new ArrayList<>(List.of("tgtadm", "-C", control(), "--lld", "iscsi"));
        command.addAll(List.of(words));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("TGT_IPC_SOCKET", ipc().toString());
        Process admin = builder.start();
        String said = new String(admin.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (admin.waitFor() != 0) {
            throw new IOException(String.join(" ", command) + ": " + said);
        }
    }

    @Override
    public void close() {
        kill();
    }
}
