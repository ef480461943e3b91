// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xe;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.UnknownHostException;
import java.security.GeneralSecurityException;

import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;

/** A daemon on the network, with TLS or without. */
final class RemoteServer extends Server {
    private static final int CONNECT_MILLIS = 15_000;

    private final String host;
    private final int port;
    private final boolean plain;
    private final KnownHosts known;

    RemoteServer(String host, int port, boolean plain, KnownHosts known) {
        this.host = host;
        this.port = port;
        this.plain = plain;
        this.known = known;
    }

    @Override
    Link connect() throws IOException {
        Socket socket = new Socket();
        try {
            socket.connect(new InetSocketAddress(host, port), CONNECT_MILLIS);
            socket.setTcpNoDelay(true);
            return new SocketLink(plain ? socket : secure(socket));
        } catch (UnknownHostException e) {
            socket.close();
            throw new IOException("there is no host " + host, e);
        } catch (KnownHosts.StrangerException e) {
            socket.close();
            throw e;
        } catch (SSLException e) {
            socket.close();
            throw new IOException(
                    host
                            + " does not speak TLS on port "
                            + port
                            + ", or not as this program does: "
                            + e.getMessage()
                            + "; for plain text, which others can read, there is --nossl",
                    e);
        } catch (IOException e) {
            socket.close();
            throw new IOException(
                    "cannot connect to " + host + " on port " + port + ": " + e.getMessage(), e);
        }
    }

    @Override
    String notADaemon() {
        String advice =
                plain
                        ? "; it may want TLS: leave --nossl out"
                        : "; it may be the port of something else";
        return host + " does not answer on port " + port + " as a daemon does" + advice;
    }

    /** The address, as for a browser. */
    @Override
    public String toString() {
        String name = host.indexOf(':') >= 0 ? "[" + host + "]" : host;
        return (plain ? "http://" : "https://") + name + ":" + port;
    }

    private Socket secure(Socket socket) throws IOException {
        KnownHosts.Witness witness = known.witness(host, port);
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, new TrustManager[] {witness}, null);
            SSLSocket secured =
                    (SSLSocket) context.getSocketFactory().createSocket(socket, host, port, true);
            secured.startHandshake();
            return secured;
        } catch (GeneralSecurityException e) {
            throw new IOException("this Java has no TLS", e);
        } catch (SSLException e) {
            witness.throwIfInDoubt();
            throw e;
        }
    }

    private static final class SocketLink extends Link {
        private final Socket socket;

        SocketLink(Socket socket) {
            this.socket = socket;
        }

        @Override
        InputStream in() throws IOException {
            return socket.getInputStream();
        }

        @Override
        OutputStream out() throws IOException {
            return socket.getOutputStream();
        }

        @Override
        public void close() throws IOException {
            socket.close();
        }
    }
}
