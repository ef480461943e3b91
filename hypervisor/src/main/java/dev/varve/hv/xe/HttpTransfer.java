// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongFunction;

/**
 * Fetches and sends files over a connection of their own to the daemon.
 *
 * <p>A file that is fetched has the name {@code NAME.partial} until all of it is there, so under
 * its own name there is never a part. Blocks of zeros become holes.
 *
 * <p><b>Threads:</b> one.
 */
final class HttpTransfer {
    private static final int COPY_BYTES = 256 * 1024;
    private static final int MOST_HEAD_BYTES = 64 * 1024;
    private static final int MOST_ANSWER_BYTES = 64 * 1024;
    private static final String PARTIAL = ".partial";

    /** The header with which the daemon says that a task has the outcome. */
    private static final String TASK = "task_id";

    /** What the daemon answers instead of what was asked for. */
    static final class RefusedException extends IOException {
        private static final long serialVersionUID = 1L;

        private final boolean told;

        RefusedException(String message, boolean told) {
            super(message);
            this.told = told;
        }

        /** Whether the task of the transfer tells it too. */
        boolean isToldByTask() {
            return told;
        }
    }

    private final Server server;
    private final LongFunction<Progress> progress;
    private final Heartbeat heartbeat;

    /** Has the daemon know that the client is still at it. */
    interface Heartbeat {
        /** Called again and again. */
        void beat() throws IOException;
    }

    /**
     * @param progress shows a transfer of so many bytes, or -1
     */
    HttpTransfer(Server server, LongFunction<Progress> progress, Heartbeat heartbeat) {
        this.server = server;
        this.progress = progress;
        this.heartbeat = heartbeat;
    }

    // ---- fetching

    /** Fetches what is at a path into a new file, or to the standard output when it has no name. */
    void fetch(String file, String path) throws IOException {
        if (file.isEmpty()) {
            try (OutputStream out = new FileOutputStream(FileDescriptor.out)) {
                receive(path, out);
            }
            return;
        }
        Path target = Path.of(file);
        if (Files.isRegularFile(target) || Files.isDirectory(target)) {
            throw new IOException("the file " + file + " exists already; choose another name");
        }
        if (Files.exists(target)) {
            try (OutputStream out = Files.newOutputStream(target)) {
                receive(path, out);
            }
            return;
        }
        Path partial = Path.of(file + PARTIAL);
        try {
            try (SparseFile out = SparseFile.create(partial)) {
                receive(path, out);
            }
            Files.move(partial, target);
        } catch (FileAlreadyExistsException e) {
            throw new IOException("the file " + file + " was made by somebody else meanwhile", e);
        } catch (NoSuchFileException e) {
            throw new IOException("there is no directory for the file " + file, e);
        } finally {
            Files.deleteIfExists(partial);
        }
    }

    private void receive(String path, OutputStream to) throws IOException {
        try (Server.Link link = server.connect()) {
            link.out().write(head("GET", path, -1));
            link.out().flush();
            InputStream in = link.in();
            Response response = Response.read(in);
            response.requireOk(in);
            long length = response.length();
            Progress shown = progress.apply(length);
            long done = 0;
            try {
                done = copy(in, to, length, shown);
            } catch (IOException e) {
                shown.breakOff();
                throw e;
            }
            shown.finish(done);
        }
    }

    private long copy(InputStream in, OutputStream to, long length, Progress shown)
            throws IOException {
        byte[] buffer = new byte[COPY_BYTES];
        long done = 0;
        while (length < 0 || done < length) {
            int wanted = length < 0 ? COPY_BYTES : (int) Math.min(COPY_BYTES, length - done);
            int count = in.readNBytes(buffer, 0, wanted);
            to.write(buffer, 0, count);
            done += count;
            if (count < wanted && length >= 0) {
                throw new RefusedException(
                        "the daemon ended the connection after %d of %d bytes"
                                .formatted(done, length),
                        true);
            }
            if (count < wanted) {
                break;
            }
            shown.show(done);
            heartbeat.beat();
        }
        return done;
    }

    // ---- sending

    /** Sends a file, or the standard input when it is called {@code -}. */
    void send(String file, String path) throws IOException {
        boolean input = file.equals("-");
        Path source = Path.of(file);
        try (InputStream from =
                input ? new FileInputStream(FileDescriptor.in) : Files.newInputStream(source)) {
            if (!input && Files.isRegularFile(source)) {
                sendPlain(from, Files.size(source), path);
            } else if (path.contains("format=raw")) {
                sendChunks(from, path + "&chunked=true");
            } else {
                sendPlain(from, -1, path);
            }
        } catch (NoSuchFileException e) {
            throw new IOException("there is no file " + file, e);
        }
    }

    private interface Body {
        long write(OutputStream to, Progress shown) throws IOException;
    }

    private void put(String path, long length, Body body) throws IOException {
        try (Server.Link link = server.connect()) {
            OutputStream to = link.out();
            to.write(head("PUT", path, length));
            to.flush();
            InputStream in = link.in();
            Response.read(in).requireOk(in);
            Progress shown = progress.apply(length);
            try {
                long done = body.write(to, shown);
                to.flush();
                shown.finish(done);
            } catch (LocalFileException e) {
                shown.breakOff();
                throw e;
            } catch (IOException e) {
                shown.breakOff();
                throw new RefusedException("the daemon ended the connection", true);
            }
        }
    }

    private void sendPlain(InputStream from, long length, String path) throws IOException {
        put(
                path,
                length,
                (to, shown) -> {
                    byte[] buffer = new byte[COPY_BYTES];
                    long done = 0;
                    int count = read(from, buffer);
                    while (count > 0) {
                        to.write(buffer, 0, count);
                        done += count;
                        shown.show(done);
                        heartbeat.beat();
                        count = read(from, buffer);
                    }
                    return done;
                });
    }

    /** Plain content whose length is not known goes in pieces that say when it is all there. */
    private void sendChunks(InputStream from, String path) throws IOException {
        put(
                path,
                -1,
                (to, shown) -> {
                    byte[] buffer = new byte[COPY_BYTES];
                    long done = 0;
                    int count = read(from, buffer);
                    while (count > 0) {
                        int padded = (count + 511) / 512 * 512;
                        Arrays.fill(buffer, count, padded, (byte) 0);
                        to.write(chunkHead(done, padded));
                        to.write(buffer, 0, padded);
                        done += count;
                        shown.show(done);
                        heartbeat.beat();
                        count = read(from, buffer);
                    }
                    to.write(chunkHead(0, 0));
                    return done;
                });
    }

    /** A file that cannot be read is no failure of the daemon. */
    private static int read(InputStream from, byte[] buffer) throws LocalFileException {
        try {
            return from.readNBytes(buffer, 0, buffer.length);
        } catch (IOException e) {
            throw new LocalFileException("the file cannot be read: " + e.getMessage(), e);
        }
    }

    /** The file at this end fails. */
    private static final class LocalFileException extends IOException {
        private static final long serialVersionUID = 1L;

        LocalFileException(String message, IOException cause) {
            super(message, cause);
        }
    }

    private static byte[] chunkHead(long offset, int length) {
        return ByteBuffer.allocate(12)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(offset)
                .putInt(length)
                .array();
    }

    private static byte[] head(String method, String path, long length) {
        String text =
                method
                        + " "
                        + path
                        + " HTTP/1.0\r\nuser-agent: varve-xe/0.2\r\n"
                        + (length < 0 ? "" : "content-length: " + length + "\r\n")
                        + "\r\n";
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** The head of a response. */
    private record Response(int status, String line, Map<String, String> headers) {
        static Response read(InputStream in) throws IOException {
            String[] lines = text(in).split("\r?\n", -1);
            String[] words = lines[0].split(" ", 3);
            int status;
            try {
                status = words.length > 1 ? Integer.parseInt(words[1]) : 0;
            } catch (NumberFormatException e) {
                status = 0;
            }
            if (!words[0].startsWith("HTTP/") || status == 0) {
                throw new IOException("the daemon does not answer as a web server does");
            }
            Map<String, String> headers = new HashMap<>();
            for (String line : lines) {
                int colon = line.indexOf(':');
                if (colon > 0) {
                    headers.put(
                            line.substring(0, colon).toLowerCase(Locale.ROOT),
                            line.substring(colon + 1).strip());
                }
            }
            return status == 100 ? read(in) : new Response(status, lines[0], headers);
        }

        private static String text(InputStream in) throws IOException {
            ByteArrayOutputStream head = new ByteArrayOutputStream();
            int newlines = 0;
            while (newlines < 2) {
                int next = in.read();
                if (next < 0 || head.size() > MOST_HEAD_BYTES) {
                    throw new EOFException("the daemon ended the connection without an answer");
                }
                head.write(next);
                newlines = next == '\n' ? newlines + 1 : next == '\r' ? newlines : 0;
            }
            return head.toString(StandardCharsets.UTF_8);
        }

        void requireOk(InputStream in) throws IOException {
            if (status != 200) {
                long announced = length();
                int count =
                        announced < 0
                                ? MOST_ANSWER_BYTES
                                : (int) Math.min(MOST_ANSWER_BYTES, announced);
                String answer = new String(in.readNBytes(count), StandardCharsets.UTF_8);
                throw new RefusedException(
                        line.strip() + "\n" + answer.strip(), headers.containsKey(TASK));
            }
        }

        long length() throws IOException {
            String text = headers.getOrDefault("content-length", "");
            try {
                return text.isEmpty() ? -1 : Long.parseLong(text);
            } catch (NumberFormatException e) {
                throw new IOException("the daemon announces " + text + " bytes", e);
            }
        }
    }
}
