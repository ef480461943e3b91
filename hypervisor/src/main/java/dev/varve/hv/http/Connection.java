// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.http;

import dev.varve.hv.xenapi.Caller;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpRequestDecoder;
import io.netty.handler.codec.http.HttpResponseEncoder;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.Future;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;

/**
 * One connection: collects a request, hands it to its route on a virtual thread, sends the
 * response, and goes on with the next request of the same connection.
 *
 * <p><b>Invariants:</b> one request is worked on at a time; while it is, nothing more is read. A
 * request that is not complete within the time limit ends the connection, and so does idleness.
 *
 * <p><b>Threads:</b> the event loop of the connection; handlers run on the workers.
 */
final class Connection extends SimpleChannelInboundHandler<HttpObject> {
    private static final Logger LOG = LoggerFactory.getLogger(Connection.class);

    private final Router router;
    private final Executor workers;
    private final Peers peers;
    private final HttpLimits limits;
    private final Caller caller;

    private final ArrayDeque<HttpObject> waiting = new ArrayDeque<>();
    private final ByteArrayOutputStream body = new ByteArrayOutputStream();
    private HttpRequest head;
    private Route route;
    private boolean keepAlive;
    private boolean busy;
    private boolean closing;
    private Future<?> deadline;

    Connection(Router router, Executor workers, Peers peers, Caller caller) {
        super(false);
        this.router = router;
        this.workers = workers;
        this.peers = peers;
        this.limits = peers.limits();
        this.caller = caller;
    }

    @Override
    public void channelActive(ChannelHandlerContext context) {
        closeAfter(context, limits.requestMillis());
    }

    private void closeAfter(ChannelHandlerContext context, long millis) {
        cancelDeadline();
        deadline =
                context.executor().schedule(() -> closeNow(context), millis, TimeUnit.MILLISECONDS);
    }

    private static void closeNow(ChannelHandlerContext context) {
        var _ = context.close();
    }

    private void cancelDeadline() {
        if (deadline != null) {
            deadline.cancel(false);
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        cancelDeadline();
        closing = true;
        waiting.forEach(ReferenceCountUtil::release);
        waiting.clear();
    }

    @Override
    protected void channelRead0(ChannelHandlerContext context, HttpObject message) {
        if (closing) {
            ReferenceCountUtil.release(message);
        } else if (busy) {
            waiting.add(message);
        } else {
            take(context, message);
        }
    }

    private void take(ChannelHandlerContext context, HttpObject message) {
        try {
            if (message.decoderResult().isFailure()) {
                refuse(context, HttpResponseStatus.INTERNAL_SERVER_ERROR, "malformed request");
                return;
            }
            if (message instanceof HttpRequest request) {
                begin(context, request);
            }
            if (!closing && message instanceof HttpContent content && head != null) {
                collect(context, content);
            }
        } finally {
            ReferenceCountUtil.release(message);
        }
    }

    private void begin(ChannelHandlerContext context, HttpRequest request) {
        closeAfter(context, limits.requestMillis());
        head = request;
        keepAlive = HttpUtil.isKeepAlive(request);
        body.reset();
        route = router.find(request.method().name(), request.uri()).orElse(null);
        if (route == null) {
            refuse(context, HttpResponseStatus.NOT_FOUND, "there is nothing at this address");
            return;
        }
        if (route.handler() instanceof Route.Streaming streaming) {
            stream(context, streaming);
            return;
        }
        if (HttpUtil.getContentLength(request, 0L) > mostBodyBytes()) {
            refuse(context, HttpResponseStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large");
            return;
        }
        if (HttpUtil.is100ContinueExpected(request)) {
            var _ =
                    context.writeAndFlush(
                            new DefaultFullHttpResponse(
                                    HttpVersion.HTTP_1_1, HttpResponseStatus.CONTINUE));
        }
        if (route.handler() instanceof Route.Takeover takeover && !takeover.readsBodyFirst()) {
            takeOver(context, takeover, new byte[0]);
        }
    }

    private int mostBodyBytes() {
        return Math.min(route.maxBodyBytes(), limits.bodyBytes());
    }

    private void collect(ChannelHandlerContext context, HttpContent content) {
        ByteBuf bytes = content.content();
        if (body.size() + bytes.readableBytes() > mostBodyBytes()) {
            refuse(context, HttpResponseStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large");
            return;
        }
        if (!peers.gathers(context.channel(), bytes.readableBytes())) {
            closing = true;
            return;
        }
        byte[] copy = new byte[bytes.readableBytes()];
        bytes.readBytes(copy);
        body.writeBytes(copy);
        if (content instanceof LastHttpContent) {
            switch (route.handler()) {
                case Route.Exchange exchange -> exchange(context, exchange);
                case Route.Takeover takeover -> takeOver(context, takeover, body.toByteArray());
                case Route.Streaming _ ->
                        throw new IllegalStateException("such a body is not gathered");
            }
        }
    }

    private void exchange(ChannelHandlerContext context, Route.Exchange exchange) {
        busy = true;
        peers.busy(context.channel());
        cancelDeadline();
        context.channel().config().setAutoRead(false);
        Route.Request request = request(body.toByteArray());
        body.reset();
        workers.execute(
                () -> {
                    Route.Response response = answer(exchange, request);
                    onLoop(
                            context,
                            () -> {
                                peers.answered(context.channel());
                                respond(context, response);
                            });
                });
    }

    private static void onLoop(ChannelHandlerContext context, Runnable work) {
        try {
            context.executor().execute(work);
        } catch (RejectedExecutionException e) {
            // The server has stopped meanwhile, and the connection is gone with it.
            LOG.debug("a call ended after the server", e);
        }
    }

    private Route.Request request(byte[] content) {
        return new Route.Request(
                caller,
                head.method().name(),
                head.uri(),
                name -> Optional.ofNullable(head.headers().get(name)),
                content);
    }

    private static Route.Response answer(Route.Exchange exchange, Route.Request request) {
        try {
            return exchange.answer(request);
        } catch (IOException e) {
            return page(HttpResponseStatus.INTERNAL_SERVER_ERROR, e.getMessage());
        } catch (RuntimeException e) {
            LOG.error("{} {} failed", request.method(), request.uri(), e);
            return page(HttpResponseStatus.INTERNAL_SERVER_ERROR, "the server failed");
        }
    }

    private void respond(ChannelHandlerContext context, Route.Response response) {
        if (closing) {
            return;
        }
        ChannelFuture sent = send(context, response, keepAlive);
        if (!keepAlive) {
            return;
        }
        // Nothing more is read before the peer has taken this response.
        sent.addListener(
                done -> {
                    if (done.isSuccess() && !closing) {
                        ready(context);
                    }
                });
    }

    private void ready(ChannelHandlerContext context) {
        head = null;
        busy = false;
        peers.idle(context.channel());
        closeAfter(context, limits.idleMillis());
        while (!waiting.isEmpty() && !busy && !closing) {
            take(context, waiting.removeFirst());
        }
        if (!busy && !closing) {
            context.channel().config().setAutoRead(true);
        }
    }

    private ChannelFuture send(
            ChannelHandlerContext context, Route.Response response, boolean stay) {
        byte[] content = response.body();
        var message =
                new DefaultFullHttpResponse(
                        HttpVersion.HTTP_1_1,
                        HttpResponseStatus.valueOf(response.status()),
                        Unpooled.wrappedBuffer(content));
        message.headers()
                .set(HttpHeaderNames.CONTENT_TYPE, response.contentType())
                .setInt(HttpHeaderNames.CONTENT_LENGTH, content.length)
                .set(
                        HttpHeaderNames.CONNECTION,
                        stay ? HttpHeaderValues.KEEP_ALIVE : HttpHeaderValues.CLOSE)
                .set(HttpHeaderNames.CACHE_CONTROL, "no-cache, no-store")
                .set(HttpHeaderNames.ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        response.headers().forEach(message.headers()::set);
        closing = !stay;
        closeAfter(context, limits.responseMillis());
        peers.waits(context.channel(), content.length);
        ChannelFuture sent = context.writeAndFlush(message);
        sent.addListener(_ -> peers.sent(context.channel()));
        if (!stay) {
            sent.addListener(ChannelFutureListener.CLOSE);
        }
        return sent;
    }

    private void refuse(ChannelHandlerContext context, HttpResponseStatus status, String why) {
        var _ = send(context, page(status, why), false);
    }

    private static Route.Response page(HttpResponseStatus status, String why) {
        String safe = why.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
        String html =
                "<html><body><h1>HTTP "
                        + status.code()
                        + " "
                        + status.reasonPhrase()
                        + "</h1><p>"
                        + safe
                        + "</p></body></html>\n";
        return new Route.Response(
                status.code(), "text/html", html.getBytes(StandardCharsets.UTF_8));
    }

    private void takeOver(
            ChannelHandlerContext context, Route.Takeover takeover, byte[] requestBody) {
        Route.Request request = request(requestBody);
        RawConnection raw = unwrap(context);
        workers.execute(
                () ->
                        converse(
                                context,
                                request,
                                raw,
                                () -> takeover.run(request, raw.input(), raw.output())));
    }

    private void stream(ChannelHandlerContext context, Route.Streaming streaming) {
        Route.Request request = request(new byte[0]);
        RawConnection raw = unwrap(context);
        workers.execute(
                () ->
                        converse(
                                context,
                                request,
                                raw,
                                () -> {
                                    StreamedExchange exchange = new StreamedExchange(request, raw);
                                    streaming.run(request, exchange);
                                    exchange.end();
                                }));
    }

    /** From here on the connection is a pair of streams; this handler and the codec are gone. */
    private RawConnection unwrap(ChannelHandlerContext context) {
        closing = true;
        cancelDeadline();
        peers.busy(context.channel());
        RawConnection raw = new RawConnection(context.channel(), limits.rawMillis());
        context.pipeline().addLast(raw);
        context.pipeline().remove(HttpResponseEncoder.class);
        context.pipeline().remove(HttpRequestDecoder.class);
        context.pipeline().remove(this);
        return raw;
    }

    /** What a worker does with a connection. */
    private interface Talk {
        void run() throws IOException;
    }

    private void converse(
            ChannelHandlerContext context, Route.Request request, RawConnection raw, Talk talk) {
        try {
            talk.run();
        } catch (IOException e) {
            LOG.debug("a connection to {} ended early: {}", request.uri(), e.getMessage());
        } catch (RuntimeException e) {
            LOG.error("{} failed", request.uri(), e);
        } finally {
            raw.discard();
            onLoop(context, () -> peers.answered(context.channel()));
            var _ = context.channel().close();
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        LOG.debug("a connection failed: {}", cause.toString());
        var _ = context.close();
    }
}
