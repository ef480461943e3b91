// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import java.io.DataInputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Listeners that read numbers from sockets, one socket each: what waking them costs. */
final class PlainListeners implements AutoCloseable {
    private final List<SocketChannel> writers = new ArrayList<>();
    private final List<Reader> readers = new ArrayList<>();

    /** The reader's side of a socket. */
    private record Reader(SocketChannel channel, DataInputStream in)
            implements EventDelays.Listener {
        @Override
        public int await() throws IOException {
            return in.readInt();
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    /**
     * @param path of a socket file, which is gone afterwards
     */
    PlainListeners(Path path, int count) throws IOException {
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path));
            for (int i = 0; i < count; i++) {
                SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(path));
                writers.add(server.accept());
                readers.add(
                        new Reader(channel, new DataInputStream(Channels.newInputStream(channel))));
            }
        } finally {
            Files.deleteIfExists(path);
        }
    }

    List<? extends EventDelays.Listener> all() {
        return readers;
    }

    /** Sends a number to all. */
    void send(int number) throws IOException {
        for (SocketChannel writer : writers) {
            writer.write(ByteBuffer.allocate(Integer.BYTES).putInt(0, number));
        }
    }

    @Override
    public void close() throws IOException {
        for (SocketChannel writer : writers) {
            writer.close();
        }
    }
}
