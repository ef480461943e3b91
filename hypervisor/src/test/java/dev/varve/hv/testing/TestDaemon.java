// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.testing;

import dev.varve.hv.daemon.VarveDaemon;
import dev.varve.hv.storage.Drivers;
import dev.varve.hv.storage.LaneStorageEngine;
import dev.varve.hv.storage.StorageEngineFactory;
import dev.varve.hv.xe.CliWire;
import dev.varve.hv.xenapi.Caller;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** A daemon on storage in memory, and short ways to talk to it. */
public final class TestDaemon implements AutoCloseable {
    public final ManualTime time = new ManualTime();
    public final FakeStorage storage;
    public final VarveDaemon daemon;
    private final String session;

    /** What a command showed. */
    public record Result(int code, String out, String err) {
        /** The output, of a command that must have succeeded. */
        public String ok() {
            if (code != 0) {
                throw new AssertionError("exit " + code + ": " + err);
            }
            return out.strip();
        }
    }

    /** Starts a daemon; each has random numbers of its own. */
    public TestDaemon(Path home, FakeStorage storage) throws IOException {
        this(home, storage, new Drivers(List.of(storage.driver())), _ -> storage.engine(), null);
    }

    /**
     * Starts a daemon with the drivers and the engine that users get. Only what is done later and
     * again waits for the time of the test.
     */
    public static TestDaemon real(Path home) throws IOException {
        return new TestDaemon(
                home, null, Drivers.installed(), LaneStorageEngine::open, Clock.system());
    }

    private TestDaemon(
            Path home,
            FakeStorage storage,
            Drivers drivers,
            StorageEngineFactory engine,
            Clock clock)
            throws IOException {
        this.storage = storage;
        this.daemon =
                VarveDaemon.start(
                        home,
                        new VarveDaemon.Parts(
                                clock == null ? time : clock,
                                RandomSource.of(new Random(System.identityHashCode(this))),
                                time,
                                drivers,
                                engine));
        this.session =
                (String)
                        daemon.dispatcher()
                                .call(
                                        Caller.LOCAL,
                                        "session.login_with_password",
                                        List.of("root", ""));
    }

    /** Calls a method with the session of the test. */
    public Object call(String method, Object... args) {
        List<Object> params = new ArrayList<>();
        params.add(session);
        params.addAll(List.of(args));
        return daemon.dispatcher().call(Caller.LOCAL, method, params);
    }

    /** Calls a method whose result is a record. */
    public Map<?, ?> record(String className, String ref) {
        return (Map<?, ?>) call(className + ".get_record", ref);
    }

    /** The reference of the only object of a class. */
    public String only(String className) {
        List<?> all = (List<?>) call(className + ".get_all");
        if (all.size() != 1) {
            throw new AssertionError(all.size() + " objects of " + className);
        }
        return (String) all.getFirst();
    }

    /** The reference behind a UUID. */
    public String ref(String className, String uuid) {
        return (String) call(className + ".get_by_uuid", uuid);
    }

    /** Opens a connection. */
    public SocketChannel connect() throws IOException {
        return connect(daemon.socket());
    }

    private static SocketChannel connect(Path socket) throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        channel.connect(UnixDomainSocketAddress.of(socket));
        return channel;
    }

    /** Runs a command through the socket, as xe does. */
    public Result xe(String... words) throws IOException {
        return xe(daemon, words);
    }

    /** Runs a command through the socket of a daemon, as xe does. */
    public static Result xe(VarveDaemon daemon, String... words) throws IOException {
        return xe(daemon.socket(), words);
    }

    /** Runs a command through the socket file of a daemon, as xe does. */
    public static Result xe(Path socket, String... words) throws IOException {
        StringBuilder out = new StringBuilder();
        StringBuilder err = new StringBuilder();
        try (SocketChannel channel = connect(socket)) {
            InputStream in = Channels.newInputStream(channel);
            OutputStream to = Channels.newOutputStream(channel);
            byte[] body = (String.join("\n", words) + "\n").getBytes(StandardCharsets.UTF_8);
            String head = "POST /cli HTTP/1.0\r\ncontent-length: " + body.length + "\r\n\r\n";
            to.write(head.getBytes(StandardCharsets.US_ASCII));
            to.write(body);
            CliWire.expectGreeting(in);
            to.write(CliWire.greeting());
            while (true) {
                CliWire.Reader frame = CliWire.Reader.next(in);
                frame.number();
                switch (frame.number()) {
                    case CliWire.PRINT -> out.append(frame.text()).append('\n');
                    case CliWire.PRINT_STDERR -> err.append(frame.text());
                    case CliWire.EXIT -> {
                        return new Result(frame.number(), out.toString(), err.toString());
                    }
                    default -> throw new IOException("an unexpected command");
                }
            }
        }
    }

    @Override
    public void close() {
        daemon.close();
    }
}
