// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.http;

import dev.varve.hv.xenapi.Caller;
import dev.varve.vdi.time.Threads;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.HttpRequestDecoder;
import io.netty.handler.codec.http.HttpResponseEncoder;
import io.netty.handler.ssl.SslHandler;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;

/**
 * Listens on socket addresses and gives each connection its handlers. One event loop moves bytes;
 * what blocks runs on the workers.
 *
 * <p><b>Threads:</b> any.
 */
public final class HttpServer implements AutoCloseable {
    /** The longest path of a socket file that the system takes, in bytes. */
    public static final int MAX_SOCKET_PATH_BYTES = 107;

    private final Router router;
    private final Executor workers;
    private final EventLoopGroup loop =
            new MultiThreadIoEventLoopGroup(
                    1, Threads.platformFactory("varve-http-"), NioIoHandler.newFactory());
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();

    /** A server that listens nowhere yet. */
    public HttpServer(Router router, Executor workers) {
        this.router = router;
        this.workers = workers;
    }

    /** An address that is listened on. */
    public final class Listener implements AutoCloseable {
        private final String name;
        private final Channel channel;
        private final Peers peers;

        private Listener(String name, Channel channel, Peers peers) {
            this.name = name;
            this.channel = channel;
            this.peers = peers;
        }

        /** The port, of a listener on the network. */
        public int port() {
            return ((InetSocketAddress) channel.localAddress()).getPort();
        }

        /** How many connections there are. */
        public int connections() {
            return peers.count();
        }

        /** Where it listens and how it does, for a person. */
        public String describe() {
            return "%s: %d of %d connections, %d times none was free"
                    .formatted(name, peers.count(), peers.limits().connections(), peers.refused());
        }

        /** Stops listening and ends the connections. */
        @Override
        public void close() {
            listeners.remove(this);
            channel.close().awaitUninterruptibly();
            loop.submit(peers::close).awaitUninterruptibly();
        }
    }

    /** Where it listens. */
    public List<Listener> listeners() {
        return List.copyOf(listeners);
    }

    /** Listens on a socket file that only the owner of this process can open. */
    public Listener listen(Path socket, HttpLimits limits) throws IOException {
        int length = socket.toString().getBytes(StandardCharsets.UTF_8).length;
        if (length > MAX_SOCKET_PATH_BYTES) {
            throw new IOException(
                    "the path of the socket "
                            + socket
                            + " has "
                            + length
                            + " bytes, the system takes "
                            + MAX_SOCKET_PATH_BYTES
                            + "; choose a shorter home directory");
        }
        Files.deleteIfExists(socket);
        Listener listener =
                bind(
                        NioServerDomainSocketChannel.class,
                        UnixDomainSocketAddress.of(socket),
                        "API on " + socket,
                        limits,
                        _ -> Caller.LOCAL,
                        Optional.empty());
        Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-------"));
        return listener;
    }

    /**
     * Listens on an address of the network.
     *
     * @param tls the keys to speak TLS with; without them, what is sent can be read on the way
     */
    public Listener listen(InetSocketAddress address, Optional<SSLContext> tls, HttpLimits limits)
            throws IOException {
        return bind(
                NioServerSocketChannel.class,
                address,
                "API on " + (tls.isPresent() ? "https://" : "http://"),
                limits,
                HttpServer::remote,
                tls);
    }

    private static String text(InetSocketAddress address) {
        String host = address.getHostString();
        return (host.indexOf(':') >= 0 ? "[" + host + "]" : host) + ":" + address.getPort();
    }

    private static Caller remote(Channel channel) {
        SocketAddress address = channel.remoteAddress();
        return Caller.remote(
                address instanceof InetSocketAddress known ? text(known) : "somewhere");
    }

    private Listener bind(
            Class<? extends ServerChannel> kind,
            SocketAddress address,
            String name,
            HttpLimits limits,
            Function<Channel, Caller> caller,
            Optional<SSLContext> tls)
            throws IOException {
        Peers peers = new Peers(limits);
        var bound =
                new ServerBootstrap()
                        .group(loop)
                        .channel(kind)
                        .childHandler(
                                new ChannelInitializer<Channel>() {
                                    @Override
                                    protected void initChannel(Channel channel) {
                                        prepare(channel, peers, caller.apply(channel), tls);
                                    }
                                })
                        .bind(address)
                        .awaitUninterruptibly();
        if (!bound.isSuccess()) {
            throw new IOException(
                    "cannot listen on " + address + ": " + bound.cause().getMessage(),
                    bound.cause());
        }
        Listener listener =
                new Listener(
                        bound.channel().localAddress() instanceof InetSocketAddress local
                                ? name + text(local)
                                : name,
                        bound.channel(),
                        peers);
        listeners.add(listener);
        return listener;
    }

    private void prepare(Channel channel, Peers peers, Caller caller, Optional<SSLContext> tls) {
        if (!peers.add(channel)) {
            var _ = channel.close();
            return;
        }
        channel.closeFuture().addListener(_ -> peers.remove(channel));
        tls.ifPresent(context -> channel.pipeline().addLast(secured(context, peers)));
        channel.pipeline()
                .addLast(new HttpRequestDecoder())
                .addLast(new HttpResponseEncoder())
                .addLast(new Connection(router, workers, peers, caller));
    }

    private static SslHandler secured(SSLContext context, Peers peers) {
        SSLEngine engine = context.createSSLEngine();
        engine.setUseClientMode(false);
        engine.setEnabledProtocols(new String[] {"TLSv1.3", "TLSv1.2"});
        SslHandler handler = new SslHandler(engine);
        handler.setHandshakeTimeoutMillis(peers.limits().requestMillis());
        return handler;
    }

    /** Stops listening and ends all connections. */
    @Override
    public void close() {
        listeners().forEach(Listener::close);
        loop.shutdownGracefully(0, 2, TimeUnit.SECONDS).awaitUninterruptibly();
    }
}
