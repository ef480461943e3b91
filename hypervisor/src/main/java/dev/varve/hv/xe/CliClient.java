// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.Console;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.InstantSource;
import java.util.List;

/**
 * The client's side of the thin command line protocol.
 *
 * <p>The daemon may ask for files, but gets only those that were named on the command line.
 */
final class CliClient {
    private static final int COPY_BYTES = 64 * 1024;
    private static final long HEARTBEAT_MILLIS = 60_000;

    private final Server server;
    private final PrintStream out;
    private final PrintStream err;
    private final boolean debug;
    private List<String> words;

    CliClient(Server server, PrintStream out, PrintStream err, boolean debug) {
        this.server = server;
        this.out = out;
        this.err = err;
        this.debug = debug;
    }

    /** The home directory of the daemon. */
    static Path home() {
        String named = System.getenv("VARVE_HOME");
        return named == null || named.isEmpty()
                ? Path.of(System.getProperty("user.home"), ".varve")
                : Path.of(named).toAbsolutePath();
    }

    static PrintStream utf8(FileDescriptor target) {
        return new PrintStream(
                new FileOutputStream(target), target == FileDescriptor.err, StandardCharsets.UTF_8);
    }

    /** Sends the words and shows what comes back, until the daemon says with which code to end. */
    int run(List<String> typed) throws IOException {
        words = typed;
        for (String word : typed) {
            refuseUnsendable(word);
        }
        try (Server.Link link = server.connect()) {
            InputStream in = link.in();
            OutputStream to = link.out();
            to.write(request());
            greet(in);
            to.write(CliWire.greeting());
            return converse(in, to);
        } catch (EOFException e) {
            throw new IOException("the daemon closed the connection before the command ended", e);
        }
    }

    private void greet(InputStream in) throws IOException {
        try {
            CliWire.expectGreeting(in);
        } catch (EOFException e) {
            throw new IOException(server.notADaemon(), e);
        } catch (IOException e) {
            throw new IOException(server.notADaemon() + ": " + e.getMessage(), e);
        }
    }

    /** The protocol has one word on each line: a line break would start another parameter. */
    private static void refuseUnsendable(String word) throws IOException {
        int equals = word.indexOf('=');
        String name = equals > 0 ? word.substring(0, equals) : "a word";
        if (word.indexOf('\n') >= 0 || word.indexOf('\r') >= 0) {
            throw new IOException(name + " holds a line break; xe cannot send one");
        }
        if (word.indexOf('\ufffd') >= 0) {
            throw new IOException(name + " is not valid UTF-8");
        }
    }

    private byte[] request() {
        StringBuilder body = new StringBuilder();
        for (String word : words) {
            body.append(word).append('\n');
        }
        byte[] content = body.toString().getBytes(StandardCharsets.UTF_8);
        String head =
                "POST /cli HTTP/1.0\r\nUser-agent: varve-xe/0.2\r\noriginator: cli\r\n"
                        + "content-length: "
                        + content.length
                        + "\r\n\r\n";
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        all.writeBytes(head.getBytes(StandardCharsets.US_ASCII));
        all.writeBytes(content);
        return all.toByteArray();
    }

    private int converse(InputStream in, OutputStream to) throws IOException {
        while (true) {
            CliWire.Reader frame = CliWire.Reader.next(in);
            int kind = frame.number();
            if (kind != CliWire.COMMAND) {
                throw new IOException("the daemon sent a message of kind " + kind);
            }
            int tag = frame.number();
            switch (tag) {
                case CliWire.PRINT -> out.println(frame.text());
                case CliWire.PRINT_STDERR -> err.print(frame.text());
                case CliWire.DEBUG -> {
                    if (debug) {
                        err.println(frame.text());
                    }
                }
                case CliWire.LOAD -> load(frame.text(), to);
                case CliWire.PROMPT -> prompt(to);
                case CliWire.ERROR -> error(frame);
                case CliWire.EXIT -> {
                    return frame.number();
                }
                case CliWire.HTTP_GET -> transfer(frame.text(), frame.text(), true, to);
                case CliWire.HTTP_PUT -> transfer(frame.text(), frame.text(), false, to);
                case CliWire.HTTP_CONNECT -> {
                    err.println("this client cannot connect consoles yet");
                    respond(to, CliWire.FAILED);
                }
                default -> throw new IOException("the daemon sent an unknown command " + tag);
            }
        }
    }

    private static void respond(OutputStream to, int tag) throws IOException {
        new CliWire.Writer(CliWire.RESPONSE, tag).send(to);
    }

    private static void chunk(OutputStream to, byte[] bytes, int count) throws IOException {
        new CliWire.Writer(CliWire.BLOB, CliWire.CHUNK).number(count).send(to);
        to.write(bytes, 0, count);
    }

    private static void end(OutputStream to) throws IOException {
        new CliWire.Writer(CliWire.BLOB, CliWire.END).send(to);
    }

    private void error(CliWire.Reader frame) throws IOException {
        String code = frame.text();
        StringBuilder params = new StringBuilder();
        int count = frame.number();
        for (int i = 0; i < count; i++) {
            params.append(i == 0 ? "" : ", ").append(frame.text());
        }
        err.println("Error code: " + code);
        err.println("Error parameters: " + params);
    }

    private void prompt(OutputStream to) throws IOException {
        out.flush();
        BufferedReader input =
                new BufferedReader(
                        new InputStreamReader(
                                new FileInputStream(FileDescriptor.in), StandardCharsets.UTF_8));
        String line = input.readLine();
        byte[] bytes = (line == null ? "" : line).getBytes(StandardCharsets.UTF_8);
        chunk(to, bytes, bytes.length);
        end(to);
    }

    private void load(String name, OutputStream to) throws IOException {
        if (!named(name)) {
            err.println("the daemon asked for the file " + name + ", which was not named");
            respond(to, CliWire.FAILED);
            return;
        }
        try (InputStream file = Files.newInputStream(Path.of(name), StandardOpenOption.READ)) {
            long size = Files.size(Path.of(name));
            if (size > Integer.MAX_VALUE) {
                throw new IOException("the file " + name + " is too large to be sent this way");
            }
            respond(to, CliWire.OK);
            new CliWire.Writer(CliWire.BLOB, CliWire.CHUNK).number((int) size).send(to);
            copy(file, to, size);
            end(to);
        } catch (NoSuchFileException e) {
            err.println("there is no file " + name);
            respond(to, CliWire.FAILED);
        }
    }

    /** What the task of a transfer tells as well is not said twice. */
    private void transfer(String name, String path, boolean fetch, OutputStream to)
            throws IOException {
        boolean done = false;
        try {
            if (!named(name.isEmpty() ? "-" : name) && !named(name)) {
                throw new IOException(
                        "the daemon wants to use the file " + name + ", which was not named");
            }
            if (!path.startsWith("/")) {
                throw new IOException("the daemon wants a transfer with another server: " + path);
            }
            HttpTransfer transfer = new HttpTransfer(server, this::progress, heartbeat(to));
            if (fetch) {
                transfer.fetch(name, path);
            } else {
                transfer.send(name, path);
            }
            done = true;
        } catch (HttpTransfer.RefusedException e) {
            if (debug || !e.isToldByTask()) {
                err.println(e.getMessage());
            }
        } catch (IOException e) {
            err.println(e.getMessage());
        }
        respond(to, done ? CliWire.OK : CliWire.FAILED);
    }

    private Progress progress(long totalBytes) {
        boolean wanted = words.contains("--progress") || words.contains("progress=true");
        return new Progress(
                wanted ? err : null, isOnTerminal(), InstantSource.system(), totalBytes);
    }

    @SuppressWarnings("SystemConsoleNull") // it is null when the input is a pipe
    private static boolean isOnTerminal() {
        Console console = System.console();
        return console != null && console.isTerminal();
    }

    /** So that the daemon does not take a client for gone that has much to transfer. */
    private static HttpTransfer.Heartbeat heartbeat(OutputStream to) {
        InstantSource time = InstantSource.system();
        long[] last = {time.millis()};
        return () -> {
            long now = time.millis();
            if (now - last[0] >= HEARTBEAT_MILLIS) {
                last[0] = now;
                respond(to, CliWire.WAIT);
            }
        };
    }

    private static void copy(InputStream file, OutputStream to, long size) throws IOException {
        byte[] buffer = new byte[COPY_BYTES];
        long left = size;
        while (left > 0) {
            int count = file.read(buffer, 0, (int) Math.min(buffer.length, left));
            if (count < 0) {
                throw new IOException("the file became shorter while it was sent");
            }
            to.write(buffer, 0, count);
            left -= count;
        }
    }

    /** Whether the file is the value of a parameter on the command line. */
    private boolean named(String name) {
        for (String word : words) {
            int equals = word.indexOf('=');
            if (equals > 0 && word.substring(equals + 1).equals(name)) {
                return true;
            }
        }
        return false;
    }
}
