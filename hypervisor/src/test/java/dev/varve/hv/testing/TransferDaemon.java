// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.varve.hv.storage.Drivers;
import dev.varve.hv.storage.LaneStorageEngine;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A daemon on real storage with one repository in a directory, and bare HTTP. */
public final class TransferDaemon implements AutoCloseable {
    public final NetworkDaemon daemon;
    public final String sr;
    public final String session;
    private final Path disks;

    /** Starts a daemon and makes the repository. */
    public TransferDaemon(Path home) throws IOException {
        daemon = new NetworkDaemon(home, Drivers.installed(), LaneStorageEngine::open);
        disks = Files.createDirectory(home.resolve("disks"));
        String host = (String) ((List<?>) daemon.call("host.get_all")).getFirst();
        sr =
                (String)
                        daemon.call(
                                "SR.create",
                                host,
                                Map.of("location", disks.toString()),
                                0L,
                                "one",
                                "",
                                "file",
                                "",
                                false,
                                Map.of());
        session =
                (String)
                        daemon.daemon
                                .dispatcher()
                                .call(
                                        dev.varve.hv.xenapi.Caller.remote("test"),
                                        "session.login_with_password",
                                        List.of("root", NetworkDaemon.PASSWORD));
    }

    /** Makes a disk. */
    public String disk(long size) {
        return (String)
                daemon.call(
                        "VDI.create", Map.of("SR", sr, "virtual_size", size, "name_label", "disk"));
    }

    /** The UUID of an object. */
    public String uuid(String type, String ref) {
        return (String) daemon.call(type + ".get_uuid", ref);
    }

    /** A new task of a client. */
    public String task() {
        return (String) daemon.call("task.create", "transfer", "");
    }

    /** Waits for the end of a task and tells how it ended: its status and its error. */
    public String outcome(String task) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        String token = "";
        while (daemon.call("task.get_status", task).equals("pending")
                || daemon.call("task.get_status", task).equals("cancelling")) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("the task does not end");
            }
            Map<?, ?> batch =
                    (Map<?, ?>) daemon.call("event.from", List.of("task/" + task), token, 5.0);
            token = (String) batch.get("token");
        }
        String status = (String) daemon.call("task.get_status", task);
        List<?> error = (List<?>) daemon.call("task.get_error_info", task);
        return error.isEmpty() ? status : status + " " + error;
    }

    /** An answer. */
    public record Answer(String head, byte[] body) {
        /** The status. */
        public int status() {
            return Integer.parseInt(head.split(" ", 3)[1]);
        }

        /** A header, or an empty text. */
        public String header(String name) {
            return head.lines()
                    .filter(line -> line.toLowerCase(java.util.Locale.ROOT).startsWith(name + ": "))
                    .map(line -> line.substring(name.length() + 2))
                    .findFirst()
                    .orElse("");
        }
    }

    /** Connects without TLS. */
    public Socket connect() throws IOException {
        Socket socket = new Socket(InetAddress.getLoopbackAddress(), daemon.port("http"));
        socket.setSoTimeout(30_000);
        return socket;
    }

    /** Asks and reads until the daemon ends the connection. */
    public Answer ask(String head, byte[] body) throws IOException {
        try (Socket socket = connect()) {
            begin(socket, head);
            OutputStream out = socket.getOutputStream();
            out.write(body);
            out.flush();
            return answer(socket.getInputStream());
        }
    }

    /** Sends a head. */
    public static void begin(Socket socket, String head) throws IOException {
        socket.getOutputStream().write((head + "\r\n\r\n").getBytes(StandardCharsets.US_ASCII));
    }

    /** Reads an answer. */
    public static Answer answer(InputStream in) throws IOException {
        String head = head(in);
        return new Answer(head, in.readAllBytes());
    }

    /** Reads the head of an answer. */
    public static String head(InputStream in) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        while (!head.toString(StandardCharsets.US_ASCII).endsWith("\r\n\r\n")) {
            int next = in.read();
            if (next < 0) {
                throw new IOException("no head: " + head);
            }
            head.write(next);
        }
        return head.toString(StandardCharsets.US_ASCII);
    }

    /** Fetches a disk. */
    public Answer export(String vdi, String more) throws IOException {
        return ask(
                "GET /export_raw_vdi?session_id=%s&vdi=%s%s HTTP/1.1\r\nHost: x"
                        .formatted(session, vdi, more),
                new byte[0]);
    }

    /** Sends the content of a disk under a new task, and tells how the task ended. */
    public String bringIn(String vdi, String more, byte[] content) throws Exception {
        String task = task();
        Answer answer =
                ask(
                        "PUT /import_raw_vdi?session_id=%s&task_id=%s&vdi=%s%s HTTP/1.1\r\nHost: x\r\ncontent-length: %d"
                                .formatted(session, task, vdi, more, content.length),
                        content);
        String outcome = outcome(task);
        if (outcome.equals("success")) {
            assertEquals(200, answer.status(), answer.head());
        }
        return outcome;
    }

    /** Nothing half-made is left in the repository. */
    public void requireNothingIncoming() throws IOException {
        try (var files = Files.walk(disks)) {
            assertEquals(
                    List.of(),
                    files.filter(Files::isRegularFile)
                            .filter(path -> path.toString().contains("incoming"))
                            .toList());
        }
    }

    @Override
    public void close() {
        daemon.close();
    }
}
