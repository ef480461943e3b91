// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.transfer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.TransferDaemon;
import dev.varve.hv.testing.TransferDaemon.Answer;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;

/** Disks that go out and come in over HTTP, with all that clients do and that may go wrong. */
final class HttpTransfersTest {
    private static final int SIZE = 8 << 20;

    @TempDir Path home;
    private final Random random = new Random(3);
    private TransferDaemon daemon;
    private String vdi;
    private byte[] model;

    @BeforeEach
    void start() throws Exception {
        daemon = new TransferDaemon(home);
        vdi = daemon.disk(SIZE);
        model = new byte[SIZE];
        fill(model, 0, 5000);
        fill(model, 5 << 20, 300_000);
        assertEquals("success", daemon.bringIn(vdi, "&format=raw", model));
    }

    @AfterEach
    void stop() {
        daemon.close();
    }

    private void fill(byte[] target, int from, int length) {
        byte[] data = new byte[length];
        random.nextBytes(data);
        System.arraycopy(data, 0, target, from, length);
    }

    private void requireModel() throws IOException {
        assertArrayEquals(model, daemon.export(vdi, "").body());
    }

    @Test
    void goesOutAsRaw() throws IOException {
        String uuid = daemon.uuid("VDI", vdi);
        for (String name : new String[] {vdi, uuid}) {
            Answer answer = daemon.export(name, "&format=raw");
            assertEquals(200, answer.status());
            assertEquals(Integer.toString(SIZE), answer.header("content-length"));
            assertEquals("application/octet-stream", answer.header("content-type"));
            assertEquals(
                    "attachment; filename=\"" + uuid + ".raw\"",
                    answer.header("content-disposition"));
            assertTrue(answer.header("task_id").startsWith("OpaqueRef:"));
            assertArrayEquals(model, answer.body());
        }
    }

    @Test
    void goesOutAsVhdAndComesBack() throws Exception {
        String task = daemon.task();
        Answer answer = daemon.export(vdi, "&format=vhd&task_id=" + task);
        assertEquals("application/vhd", answer.header("content-type"));
        assertEquals(answer.body().length + "", answer.header("content-length"));
        assertEquals(task, answer.header("task_id"));
        assertEquals("success", daemon.outcome(task));
        assertTrue(answer.body().length < 5 << 20);
        String copy = daemon.disk(SIZE);
        assertEquals("success", daemon.bringIn(copy, "&format=vhd", answer.body()));
        vdi = copy;
        requireModel();
        daemon.requireNothingIncoming();
    }

    @Test
    void onlyTheDifferenceGoesOut() throws Exception {
        Object snapshot = daemon.daemon.call("VDI.snapshot", vdi);
        byte[] base = daemon.export((String) snapshot, "&format=vhd").body();
        fill(model, 3 << 20, 512);
        assertEquals("success", daemon.bringIn(vdi, "&format=raw", model));
        Answer answer = daemon.export(vdi, "&format=vhd&base=" + snapshot);
        assertEquals(200, answer.status());
        assertTrue(answer.body().length < 3 << 20, () -> answer.body().length + " bytes");
        String copy = daemon.disk(SIZE);
        assertEquals("success", daemon.bringIn(copy, "&format=vhd", base));
        assertEquals("success", daemon.bringIn(copy, "&format=vhd", answer.body()));
        vdi = copy;
        requireModel();
    }

    @Test
    void takesAProbeWithoutATask() throws IOException {
        Answer answer =
                daemon.ask(
                        "PUT /import_raw_vdi/?session_id="
                                + daemon.session
                                + "&vdi="
                                + vdi
                                + "&format=raw HTTP/1.1\r\nHost: x\r\ncontent-length: 0",
                        new byte[0]);
        assertEquals(200, answer.status());
        requireModel();
    }

    /**
     * Before a stream whose length it does not know, a client asks with the length that it sends.
     */
    @Test
    void takesAProbeWithALengthAndLeavesTheDiskAlone() throws Exception {
        try (Socket socket = daemon.connect()) {
            TransferDaemon.begin(
                    socket,
                    "PUT /import_raw_vdi/?session_id=%s&vdi=%s&format=raw HTTP/1.1\r\nHost: x\r\ncontent-length: 1125899906842624"
                            .formatted(daemon.session, vdi));
            assertTrue(TransferDaemon.head(socket.getInputStream()).startsWith("HTTP/1.1 200"));
            fill(model, 2 << 20, 100);
            assertEquals("success", daemon.bringIn(vdi, "&format=raw", model));
        }
        requireModel();
    }

    /** Some clients send the largest length that they can and cut the connection at the end. */
    @Test
    void takesALengthThatNobodyKnows() throws Exception {
        String task = daemon.task();
        byte[] other = new byte[1 << 20];
        fill(other, 0, other.length);
        try (Socket socket = daemon.connect()) {
            TransferDaemon.begin(
                    socket,
                    "PUT /import_raw_vdi/?session_id=%s&task_id=%s&vdi=%s&format=raw HTTP/1.1\r\nHost: x\r\ncontent-length: 1125899906842624"
                            .formatted(daemon.session, task, vdi));
            assertTrue(TransferDaemon.head(socket.getInputStream()).startsWith("HTTP/1.1 200"));
            socket.getOutputStream().write(other);
        }
        assertEquals("success", daemon.outcome(task));
        model = Arrays.copyOf(other, SIZE);
        requireModel();
    }

    @Test
    void answersBeforeTheBodyIsSent() throws Exception {
        String task = daemon.task();
        try (Socket socket = daemon.connect()) {
            TransferDaemon.begin(
                    socket,
                    "PUT /import_raw_vdi?session_id=%s&task_id=%s&vdi=%s HTTP/1.0\r\ncontent-length: %d\r\nexpect: 100-continue"
                            .formatted(daemon.session, task, vdi, SIZE));
            assertTrue(TransferDaemon.head(socket.getInputStream()).contains(" 100 "));
            assertTrue(TransferDaemon.head(socket.getInputStream()).contains(" 200 "));
            fill(model, 1 << 20, 4096);
            socket.getOutputStream().write(model);
            socket.getInputStream().readAllBytes();
        }
        assertEquals("success", daemon.outcome(task));
        requireModel();
    }

    @Test
    void brokenConnectionChangesNothing() throws Exception {
        String task = daemon.task();
        try (Socket socket = daemon.connect()) {
            TransferDaemon.begin(
                    socket,
                    "PUT /import_raw_vdi?session_id=%s&task_id=%s&vdi=%s HTTP/1.1\r\nHost: x\r\ncontent-length: %d"
                            .formatted(daemon.session, task, vdi, SIZE));
            TransferDaemon.head(socket.getInputStream());
            socket.getOutputStream().write(new byte[3 << 20]);
        }
        String outcome = daemon.outcome(task);
        assertTrue(outcome.startsWith("failure [IMPORT_ERROR_GENERIC"), outcome);
        requireModel();
        daemon.requireNothingIncoming();
    }

    @Test
    void badContentChangesNothing() throws Exception {
        for (String format : new String[] {"vhd", "vmdk"}) {
            String outcome = daemon.bringIn(vdi, "&format=" + format, new byte[100_000]);
            assertTrue(outcome.startsWith("failure [IMPORT_ERROR_GENERIC"), outcome);
        }
        requireModel();
        daemon.requireNothingIncoming();
    }

    /** The peer does not read, so the export waits for it when the task is cancelled. */
    @Test
    void cancelEndsATransferThatWaitsForItsPeer() throws Exception {
        String large = daemon.disk(4L << 30);
        String out = daemon.task();
        String in = daemon.task();
        try (Socket reader = daemon.connect();
                Socket writer = daemon.connect()) {
            TransferDaemon.begin(
                    reader,
                    "GET /export_raw_vdi?session_id=%s&task_id=%s&vdi=%s HTTP/1.1\r\nHost: x"
                            .formatted(daemon.session, out, large));
            TransferDaemon.head(reader.getInputStream());
            TransferDaemon.begin(
                    writer,
                    "PUT /import_raw_vdi?session_id=%s&task_id=%s&vdi=%s HTTP/1.1\r\nHost: x\r\ncontent-length: 8192"
                            .formatted(daemon.session, in, vdi));
            TransferDaemon.head(writer.getInputStream());
            daemon.daemon.call("task.cancel", out);
            daemon.daemon.call("task.cancel", in);
            assertTrue(daemon.outcome(out).startsWith("cancelled"), daemon.outcome(out));
            assertTrue(daemon.outcome(in).startsWith("cancelled"), daemon.outcome(in));
        }
        requireModel();
        daemon.requireNothingIncoming();
        assertEquals(Map.of(), daemon.daemon.call("VDI.get_current_operations", large));
    }

    @Test
    void takesPieces() throws Exception {
        byte[] data = new byte[1536];
        fill(data, 0, data.length);
        byte[] stream =
                ByteBuffer.allocate(24 + data.length)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(4096)
                        .putInt(data.length)
                        .put(data)
                        .array();
        assertEquals("success", daemon.bringIn(vdi, "&format=raw&chunked=true", stream));
        model = new byte[SIZE];
        System.arraycopy(data, 0, model, 4096, data.length);
        requireModel();
        assertEquals(
                "failure [VALUE_NOT_SUPPORTED, chunked, true, only raw content comes in chunks]",
                daemon.bringIn(vdi, "&format=vhd&chunked=true", stream));
    }

    @Test
    void makesADiskOfRawContent() throws Exception {
        String task = daemon.task();
        Answer answer =
                daemon.ask(
                        "PUT /import_raw_vdi?session_id=%s&task_id=%s&sr_id=%s&format=raw HTTP/1.1\r\nHost: x\r\ncontent-length: %d"
                                .formatted(daemon.session, task, daemon.sr, SIZE),
                        model);
        assertEquals(200, answer.status());
        assertEquals("success", daemon.outcome(task));
        String result = (String) daemon.daemon.call("task.get_result", task);
        vdi = result.replaceAll("</?value>", "");
        assertEquals((long) SIZE, daemon.daemon.call("VDI.get_virtual_size", vdi));
        requireModel();
    }

    @Test
    void refusesWithAReason() throws Exception {
        refuses(401, "GET /export_raw_vdi?vdi=" + vdi, "log in");
        String with = "?session_id=" + daemon.session + "&vdi=";
        refuses(404, "GET /export_raw_vdi" + with + "OpaqueRef:none", "HANDLE_INVALID");
        refuses(400, "GET /export_raw_vdi?session_id=" + daemon.session, "INVALID_VALUE vdi");
        refuses(400, "GET /export_raw_vdi" + with + vdi + "&format=qcow2", "qemu-img");
        refuses(400, "GET /export_raw_vdi" + with + vdi + "&base=" + vdi, "use format=vhd");
        refuses(400, "PUT /import_raw_vdi" + with + vdi + "&format=tar", "raw, vhd or vmdk");
        refuses(413, "PUT /import_raw_vdi" + with + vdi, "VDI_TOO_SMALL", SIZE + 1);
        refuses(409, "GET /export_raw_vdi" + with + vdi + "&task_id=" + ended(), "has ended");
        Answer chunked =
                daemon.ask(
                        "PUT /import_raw_vdi"
                                + with
                                + vdi
                                + " HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked",
                        new byte[0]);
        assertEquals(403, chunked.status());
        requireModel();
    }

    private String ended() {
        String task = daemon.task();
        daemon.daemon.call("task.cancel", task);
        return task;
    }

    private void refuses(int status, String request, String reason) throws IOException {
        refuses(status, request, reason, 512);
    }

    private void refuses(int status, String request, String reason, long length)
            throws IOException {
        String more = request.startsWith("PUT") ? "\r\ncontent-length: " + length : "";
        try (Socket socket = daemon.connect()) {
            TransferDaemon.begin(socket, request + " HTTP/1.1\r\nHost: x" + more);
            String head = TransferDaemon.head(socket.getInputStream());
            int count = Integer.parseInt(new Answer(head, null).header("content-length"));
            String body =
                    new String(socket.getInputStream().readNBytes(count), StandardCharsets.UTF_8);
            assertEquals(status, new Answer(head, null).status(), head + body);
            assertTrue(body.contains(reason), body);
        }
    }

    @Test
    void attachedDisksStayOut() throws Exception {
        Object host = ((java.util.List<?>) daemon.daemon.call("host.get_all")).getFirst();
        Object vbd =
                daemon.daemon.call(
                        "VBD.create",
                        Map.of(
                                "VM",
                                daemon.daemon.call("host.get_control_domain", host),
                                "VDI",
                                vdi,
                                "userdevice",
                                "autodetect"));
        daemon.daemon.call("VBD.plug", vbd);
        assertEquals(409, daemon.export(vdi, "").status());
        String outcome = daemon.bringIn(vdi, "", new byte[512]);
        assertTrue(outcome.startsWith("failure [VDI_IN_USE"), outcome);
        daemon.daemon.call("VBD.unplug", vbd);
        requireModel();
    }
}
