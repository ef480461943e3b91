// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.vdi.time.Threads;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;

/**
 * A server on a socket file that answers every request with bytes that are there already: what the
 * socket alone costs.
 */
final class PlainSocket implements AutoCloseable {
    private final ServerSocketChannel listener;
    private final ExecutorService threads = Threads.blockingPool("plain-");
    private final Path path;
    private final int requestBytes;
    private final byte[] answer;
    private volatile IOException failure;

    /**
     * @param requestBytes how long each request is
     * @param answerBytes how long each answer is
     */
    PlainSocket(Path path, int requestBytes, int answerBytes) throws IOException {
        this.path = path;
        this.requestBytes = requestBytes;
        this.answer = new byte[answerBytes];
        listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(path));
        threads.execute(this::accept);
    }

    private void accept() {
        try {
            while (true) {
                SocketChannel client = listener.accept();
                threads.execute(() -> serve(client));
            }
        } catch (ClosedChannelException e) {
            // That is how it ends.
        } catch (IOException e) {
            failure = e;
        }
    }

    private void serve(SocketChannel client) {
        byte[] request = new byte[requestBytes];
        try (client) {
            DataInputStream in = new DataInputStream(Channels.newInputStream(client));
            DataOutputStream out = new DataOutputStream(Channels.newOutputStream(client));
            while (in.readNBytes(request, 0, requestBytes) == requestBytes) {
                out.write(answer);
            }
        } catch (IOException e) {
            failure = e;
        }
    }

    /** A connection to it. */
    final class Client implements AutoCloseable {
        private final SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        private final DataInputStream in;
        private final DataOutputStream out;
        private final byte[] request = new byte[requestBytes];
        private final byte[] received = new byte[answer.length];

        Client() throws IOException {
            channel.connect(UnixDomainSocketAddress.of(path));
            in = new DataInputStream(Channels.newInputStream(channel));
            out = new DataOutputStream(Channels.newOutputStream(channel));
        }

        /** Sends a request and takes the answer. */
        void exchange() throws IOException {
            out.write(request);
            in.readFully(received);
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    @Override
    public void close() throws IOException {
        listener.close();
        Files.delete(path);
        threads.shutdown();
        if (failure != null) {
            throw failure;
        }
    }
}
