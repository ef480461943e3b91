// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.http;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.util.ReferenceCountUtil;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
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
        if (!(message instanceof ByteBuf chunk)) {
            // The codec, on its way out, tells where the request that it has read ends.
            ReferenceCountUtil.release(message);
            return;
        }
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

    /** The bytes of the peer; -1 when it has ended the connection. */
    ReadableByteChannel source() {
        return new ReadableByteChannel() {
            @Override
            public int read(ByteBuffer target) throws IOException {
                return target.hasRemaining() ? take(target) : 0;
            }

            @Override
            public boolean isOpen() {
                return channel.isOpen();
            }

            @Override
            public void close() {
                abort();
            }
        };
    }

    /** What is written goes to the peer as it is, without a copy, before the call returns. */
    WritableByteChannel sink() {
        return new WritableByteChannel() {
            @Override
            public int write(ByteBuffer bytes) throws IOException {
                int count = bytes.remaining();
                send(Unpooled.wrappedBuffer(bytes));
                bytes.position(bytes.limit());
                return count;
            }

            @Override
            public boolean isOpen() {
                return channel.isOpen();
            }

            @Override
            public void close() {
                abort();
            }
        };
    }

    /** Ends the connection; whoever waits for the peer fails. */
    void abort() {
        var _ = channel.close();
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
        return take(ByteBuffer.wrap(target, offset, length));
    }

    private int take(ByteBuffer target) throws IOException {
        return take(target, timeoutMillis);
    }

    /**
     * Passes over what the peer sends, until it ends the connection, is silent for a moment, or has
     * sent so much.
     */
    void passOver(long mostBytes, long silentMillis) throws IOException {
        ByteBuffer passed = ByteBuffer.allocate(CHUNK_BYTES);
        long left = mostBytes;
        while (left > 0) {
            int count;
            try {
                count = take(passed.clear(), silentMillis);
            } catch (SocketTimeoutException e) {
                // It waits for the end of the connection.
                return;
            }
            left = count < 0 ? 0 : left - count;
        }
    }

    private int take(ByteBuffer target, long waitMillis) throws IOException {
        lock.lock();
        try {
            return awaitInput(waitMillis) ? copy(target) : -1;
        } finally {
            lock.unlock();
        }
    }

    /** Waits until the peer has sent something; false when it has ended the connection instead. */
    boolean awaitInput() throws IOException {
        lock.lock();
        try {
            return awaitInput(timeoutMillis);
        } finally {
            lock.unlock();
        }
    }

    private boolean awaitInput(long waitMillis) throws IOException {
        try {
            long left = TimeUnit.MILLISECONDS.toNanos(waitMillis);
            while (chunks.isEmpty()) {
                if (failure != null) {
                    throw failure;
                }
                if (ended) {
                    return false;
                }
                if (left <= 0) {
                    throw new SocketTimeoutException("the peer has gone silent");
                }
                left = arrived.awaitNanos(left);
            }
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("the connection is being closed", e);
        }
    }

    private int copy(ByteBuffer target) {
        ByteBuf first = chunks.getFirst();
        int count = Math.min(target.remaining(), first.readableBytes());
        first.readBytes(target.slice(target.position(), count));
        target.position(target.position() + count);
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

    /** The memory that was to be sent is the caller's again when this returns. */
    private void giveUp(ChannelFuture sent) {
        abort();
        sent.awaitUninterruptibly();
    }

    private void send(ByteBuf bytes) throws IOException {
        ChannelFuture sent = channel.writeAndFlush(bytes);
        try {
            if (!sent.await(timeoutMillis)) {
                giveUp(sent);
                throw new SocketTimeoutException("the peer does not read");
            }
        } catch (InterruptedException e) {
            giveUp(sent);
            Thread.currentThread().interrupt();
            throw new IOException("the connection is being closed", e);
        }
        if (!sent.isSuccess()) {
            throw new IOException("the peer is gone", sent.cause());
        }
    }
}
