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
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import io.netty.handler.codec.http.HttpRequestDecoder;
import io.netty.handler.codec.http.HttpResponseEncoder;
import io.netty.util.concurrent.GlobalEventExecutor;

import java.io.IOException;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

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
    private final HttpLimits limits;
    private final EventLoopGroup loop =
            new MultiThreadIoEventLoopGroup(
                    1, Threads.platformFactory("varve-http-"), NioIoHandler.newFactory());
    private final ChannelGroup listeners = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE);
    private final ChannelGroup connections = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE);

    /** A server that listens nowhere yet. */
    public HttpServer(Router router, Executor workers, HttpLimits limits) {
        this.router = router;
        this.workers = workers;
        this.limits = limits;
    }

    /** Listens on a socket file that only the owner of this process can open. */
    public void listen(Path socket) throws IOException {
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
        bind(NioServerDomainSocketChannel.class, UnixDomainSocketAddress.of(socket), Caller.LOCAL);
        Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-------"));
    }

    private void bind(Class<? extends ServerChannel> kind, SocketAddress address, Caller caller)
            throws IOException {
        var bound =
                new ServerBootstrap()
                        .group(loop)
                        .channel(kind)
                        .childHandler(
                                new ChannelInitializer<Channel>() {
                                    @Override
                                    protected void initChannel(Channel channel) {
                                        prepare(channel, caller);
                                    }
                                })
                        .bind(address)
                        .awaitUninterruptibly();
        if (!bound.isSuccess()) {
            throw new IOException(
                    "cannot listen on " + address + ": " + bound.cause().getMessage(),
                    bound.cause());
        }
        listeners.add(bound.channel());
    }

    private void prepare(Channel channel, Caller caller) {
        if (connections.size() >= limits.connections()) {
            var _ = channel.close();
            return;
        }
        connections.add(channel);
        channel.pipeline()
                .addLast(new HttpRequestDecoder())
                .addLast(new HttpResponseEncoder())
                .addLast(new Connection(router, workers, limits, caller));
    }

    /** How many connections there are. */
    public int connectionCount() {
        return connections.size();
    }

    /** Stops listening and ends all connections. */
    @Override
    public void close() {
        listeners.close().awaitUninterruptibly();
        connections.close().awaitUninterruptibly();
        loop.shutdownGracefully(0, 2, TimeUnit.SECONDS).awaitUninterruptibly();
    }
}
