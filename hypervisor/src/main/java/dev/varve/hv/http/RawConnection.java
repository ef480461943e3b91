// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.SocketTimeoutException;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A connection as a pair of streams.
 *
 * <p><b>Invariants:</b> at most about 256 KiB wait to be read; then nothing more is taken from the
 * socket until the reader has caught up. No read or write waits longer than the timeout.
 *
 * <p><b>Threads:</b> bytes arrive on the event loop; the streams are for one other thread.
 */
final class RawConnection extends ChannelInboundHandlerAdapter {
    private static final int HIGH_WATER_BYTES = 256 * 1024;
    private static final int CHUNK_BYTES = 64 * 1024;

    private final Channel channel;
    private final long timeoutMillis;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition arrived = lock.newCondition();
    private final ArrayDeque<ByteBuf> chunks = new ArrayDeque<>();
    private int waitingBytes;
    private boolean ended;
    private IOException failure;

    RawConnection(Channel channel, long timeoutMillis) {
        this.channel = channel;
        this.timeoutMillis = timeoutMillis;
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        ByteBuf chunk = (ByteBuf) message;
        lock.lock();
        try {
            if (ended || !chunk.isReadable()) {
                chunk.release();
                return;
            }
            chunks.add(chunk);
            waitingBytes += chunk.readableBytes();
            if (waitingBytes >= HIGH_WATER_BYTES) {
                channel.config().setAutoRead(false);
            }
            arrived.signalAll();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) {
        end(null);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        end(new IOException("the connection failed: " + cause.getMessage(), cause));
        var _ = context.close();
    }

    private void end(IOException reason) {
        lock.lock();
        try {
            ended = true;
            failure = reason;
            arrived.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Gives back what nobody will read any more. */
    void discard() {
        lock.lock();
        try {
            ended = true;
            chunks.forEach(ByteBuf::release);
            chunks.clear();
        } finally {
            lock.unlock();
        }
    }

    InputStream input() {
        return new InputStream() {
            @Override
            public int read() throws IOException {
                byte[] one = new byte[1];
                return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
            }

            @Override
            public int read(byte[] target, int offset, int length) throws IOException {
                return length == 0 ? 0 : take(target, offset, length);
            }
        };
    }

    private int take(byte[] target, int offset, int length) throws IOException {
        lock.lock();
        try {
            long left = TimeUnit.MILLISECONDS.toNanos(timeoutMillis);
            while (chunks.isEmpty()) {
                if (failure != null) {
                    throw failure;
                }
                if (ended) {
                    return -1;
                }
                if (left <= 0) {
                    throw new SocketTimeoutException("the peer has gone silent");
                }
                left = arrived.awaitNanos(left);
            }
            return copy(target, offset, length);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("the connection is being closed", e);
        } finally {
            lock.unlock();
        }
    }

    private int copy(byte[] target, int offset, int length) {
        ByteBuf first = chunks.getFirst();
        int count = Math.min(length, first.readableBytes());
        first.readBytes(target, offset, count);
        waitingBytes -= count;
        if (!first.isReadable()) {
            chunks.removeFirst().release();
        }
        if (waitingBytes < HIGH_WATER_BYTES / 2 && !channel.config().isAutoRead()) {
            channel.config().setAutoRead(true);
        }
        return count;
    }

    OutputStream output() {
        return new OutputStream() {
            @Override
            public void write(int value) throws IOException {
                write(new byte[] {(byte) value}, 0, 1);
            }

            @Override
            public void write(byte[] source, int offset, int length) throws IOException {
                for (int done = 0; done < length; done += CHUNK_BYTES) {
                    int count = Math.min(CHUNK_BYTES, length - done);
                    send(Unpooled.copiedBuffer(source, offset + done, count));
                }
            }
        };
    }

    private void send(ByteBuf bytes) throws IOException {
        ChannelFuture sent = channel.writeAndFlush(bytes);
        try {
            if (!sent.await(timeoutMillis)) {
                var _ = channel.close();
                throw new SocketTimeoutException("the peer does not read");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("the connection is being closed", e);
        }
        if (!sent.isSuccess()) {
            throw new IOException("the peer is gone", sent.cause());
        }
    }
}
