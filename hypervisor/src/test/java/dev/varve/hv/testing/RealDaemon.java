// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.testing;

import dev.varve.hv.daemon.DaemonMain;
import dev.varve.hv.daemon.Settings;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

import javax.net.ssl.SSLContext;

/** A daemon in a process of its own, on the network, with a heap of a given size. */
public final class RealDaemon implements AutoCloseable {
    private final Path home;
    private final Process process;
    private final Map<String, Integer> ports;

    /** Starts the daemon and sets its password, {@link NetworkDaemon#PASSWORD}. */
    public RealDaemon(Path home, long heapMib) throws IOException {
        this(home, heapMib, true, "", List.of());
    }

    /** Starts a daemon over the home of one that has ended, however it did. */
    public static RealDaemon again(Path home, long heapMib) throws IOException {
        return new RealDaemon(home, heapMib, false, "", List.of());
    }

    /**
     * Starts a daemon, also over the home of one that has ended.
     *
     * @param settings more lines for its settings
     * @param options of its virtual machine
     */
    public static RealDaemon with(Path home, long heapMib, String settings, List<String> options)
            throws IOException {
        boolean first = !Files.exists(home.resolve(Settings.FILE));
        return new RealDaemon(home, heapMib, first, settings, options);
    }

    private RealDaemon(
            Path home, long heapMib, boolean first, String settings, List<String> options)
            throws IOException {
        this.home = home;
        this.ports = freePorts();
        Files.writeString(
                home.resolve(Settings.FILE),
                "api.https=127.0.0.1:%d\napi.http=127.0.0.1:%d\nnbd.tls=off\n%s\n"
                        .formatted(ports.get("https"), ports.get("http"), settings));
        process = launch(home, heapMib, options);
        if (first) {
            rpc("session.change_password", login(), "", NetworkDaemon.PASSWORD);
        }
    }

    /** Starts a daemon in a process of its own and waits until it can be talked to. */
    static Process launch(Path home, long heapMib) throws IOException {
        return launch(home, heapMib, List.of());
    }

    private static Process launch(Path home, long heapMib, List<String> options)
            throws IOException {
        String path =
                Optional.ofNullable(System.getProperty("jdk.module.path"))
                                .map(modules -> modules + ":")
                                .orElse("")
                        + System.getProperty("java.class.path");
        Path output = home.resolve("output");
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options);
        command.addAll(
                List.of(
                        "--enable-native-access=ALL-UNNAMED",
                        "--sun-misc-unsafe-memory-access=allow",
                        "-XX:+UseSerialGC",
                        "-Xmx" + heapMib + "m",
                        "-XX:+ExitOnOutOfMemoryError",
                        "-XX:-UsePerfData",
                        "-cp",
                        path,
                        DaemonMain.class.getName(),
                        "--home",
                        home.toString()));
        Process process = new ProcessBuilder(command).redirectError(output.toFile()).start();
        String line = process.inputReader(StandardCharsets.UTF_8).readLine();
        if (line == null || !line.startsWith("varve is running")) {
            process.destroyForcibly();
            throw new IOException("the daemon does not start: " + Files.readString(output));
        }
        return process;
    }

    /** Ends it at once, as the loss of power does for a process. */
    public void kill() {
        try {
            process.destroyForcibly().waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Has the process stand still, or go on. */
    public void pause(boolean still) throws IOException {
        Process kill =
                new ProcessBuilder("kill", still ? "-STOP" : "-CONT", Long.toString(process.pid()))
                        .inheritIO()
                        .start();
        try {
            if (kill.waitFor() != 0) {
                throw new IOException("the signal could not be sent");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Two ports that nobody listens on now. */
    private static Map<String, Integer> freePorts() throws IOException {
        InetAddress here = InetAddress.getLoopbackAddress();
        try (ServerSocket first = new ServerSocket(0, 1, here);
                ServerSocket second = new ServerSocket(0, 1, here)) {
            return Map.of("http", first.getLocalPort(), "https", second.getLocalPort());
        }
    }

    /** The port of {@code http} or {@code https}. */
    public int port(String scheme) {
        return ports.get(scheme);
    }

    /** Sends a call through the socket file and gives the answer. */
    public String local(String request) throws IOException {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.connect(UnixDomainSocketAddress.of(home.resolve("run").resolve("xapi.sock")));
            byte[] body = request.getBytes(StandardCharsets.UTF_8);
            String head =
                    "POST /jsonrpc HTTP/1.1\r\nConnection: close\r\nContent-Length: "
                            + body.length
                            + "\r\n\r\n";
            channel.write(ByteBuffer.wrap(head.getBytes(StandardCharsets.US_ASCII)));
            channel.write(ByteBuffer.wrap(body));
            return new String(
                    Channels.newInputStream(channel).readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    /** Calls a method whose parameters are texts without anything to escape. */
    public String rpc(String method, String... params) throws IOException {
        String list = params.length == 0 ? "" : "\"" + String.join("\",\"", params) + "\"";
        String answer = local("{\"method\":\"" + method + "\",\"params\":[" + list + "]}");
        if (!answer.contains("\"error\":null")) {
            throw new IOException(method + ": " + answer);
        }
        return answer;
    }

    /** Logs the owner in and gives the session. */
    public String login() throws IOException {
        String answer = rpc("session.login_with_password", "root", "");
        int at = answer.indexOf("OpaqueRef:");
        return answer.substring(at, answer.indexOf('"', at));
    }

    private long status(String key) throws IOException {
        List<String> lines =
                Files.readAllLines(Path.of("/proc", Long.toString(process.pid()), "status"));
        for (String line : lines) {
            if (line.startsWith(key + ":")) {
                return Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
        }
        throw new IOException("there is no " + key + " in " + lines);
    }

    /** How many threads the process has. */
    public long threads() throws IOException {
        return status("Threads");
    }

    /** The most memory that the process ever had, in MiB. */
    public long peakMib() throws IOException {
        return status("VmHWM") / 1024;
    }

    /** TLS for clients that believe the certificate of the host. */
    public SSLContext trusting() throws GeneralSecurityException, IOException {
        return NetworkDaemon.trusting(home);
    }

    @Override
    public void close() throws IOException {
        process.destroy();
        try {
            if (!process.waitFor(30, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new AssertionError("the daemon does not end");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
