// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** The daemon that commands are for: the one of this user on this machine, or one elsewhere. */
abstract class Server {
    private static final int MAX_PATH_BYTES = 107;

    /** A connection as a pair of streams. */
    abstract static class Link implements AutoCloseable {
        abstract InputStream in() throws IOException;

        abstract OutputStream out() throws IOException;

        @Override
        public abstract void close() throws IOException;
    }

    /** Connects; fails with what to do. */
    abstract Link connect() throws IOException;

    /** What to say when somebody answers who is no daemon. */
    abstract String notADaemon();

    /** The daemon behind the socket file under a home directory. */
    static Server local(Path home) {
        return new Local(home);
    }

    private static final class Local extends Server {
        private final Path home;

        Local(Path home) {
            this.home = home;
        }

        @Override
        String notADaemon() {
            return "what runs under " + home + " does not answer as a daemon does";
        }

        @Override
        public String toString() {
            return "the daemon under " + home;
        }

        @Override
        Link connect() throws IOException {
            Path socket = home.resolve("run").resolve("xapi.sock");
            if (socket.toString().getBytes(StandardCharsets.UTF_8).length > MAX_PATH_BYTES) {
                throw new IOException(
                        "the path of the socket " + socket + " is too long; choose a shorter home");
            }
            SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            try {
                channel.connect(UnixDomainSocketAddress.of(socket));
                return new ChannelLink(channel);
            } catch (IOException e) {
                channel.close();
                if (Files.exists(socket) && !Files.isWritable(socket)) {
                    throw new IOException(
                            "the daemon under " + home + " belongs to another user", e);
                }
                throw new IOException(
                        "no daemon is running under "
                                + home
                                + "; start it with: "
                                + System.getProperty("varve.command", "./varve")
                                + " start",
                        e);
            }
        }
    }

    private static final class ChannelLink extends Link {
        private final SocketChannel channel;

        ChannelLink(SocketChannel channel) {
            this.channel = channel;
        }

        @Override
        InputStream in() {
            return Channels.newInputStream(channel);
        }

        @Override
        OutputStream out() {
            return Channels.newOutputStream(channel);
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }
}
