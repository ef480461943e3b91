// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Random;

/** Stands between one client and the server, and passes on what both say in pieces of any size. */
final class Relay implements AutoCloseable {
    private final ServerSocket listening;
    private final Socket server;
    private final int longestPiece;
    private final Thread toServer;
    private volatile Socket client;

    /**
     * @param longestPiece of what goes to the server, in bytes
     */
    Relay(InetSocketAddress serverAddress, int longestPiece) throws IOException {
        this.longestPiece = longestPiece;
        listening = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        server = new Socket(serverAddress.getAddress(), serverAddress.getPort());
        server.setTcpNoDelay(true);
        toServer = Thread.ofPlatform().start(this::serve);
    }

    InetSocketAddress address() {
        return new InetSocketAddress(listening.getInetAddress(), listening.getLocalPort());
    }

    /** Says something to the server that the client has not said. */
    void slipIn(byte[] bytes) throws IOException {
        server.getOutputStream().write(bytes);
    }

    private void serve() {
        try {
            client = listening.accept();
            client.setTcpNoDelay(true);
            Thread back = Thread.ofPlatform().start(this::passBack);
            passOn(client.getInputStream(), server.getOutputStream());
            back.join();
        } catch (IOException | InterruptedException e) {
            closeQuietly(server); // one side has gone, so the other goes
        }
    }

    private void passOn(InputStream in, OutputStream out) throws IOException {
        Random random = new Random(longestPiece);
        byte[] piece = new byte[longestPiece];
        int count = in.read(piece, 0, 1 + random.nextInt(longestPiece));
        while (count >= 0) {
            out.write(piece, 0, count);
            count = in.read(piece, 0, 1 + random.nextInt(longestPiece));
        }
        server.shutdownOutput();
    }

    private void passBack() {
        try {
            server.getInputStream().transferTo(client.getOutputStream());
            client.shutdownOutput();
        } catch (IOException e) {
            closeQuietly(client);
        }
    }

    private static void closeQuietly(Socket socket) {
        try {
            socket.close();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Override
    public void close() throws IOException {
        listening.close();
        server.close();
        if (client != null) {
            client.close();
        }
        try {
            toServer.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
