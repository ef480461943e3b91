// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * A small NBD client over a UNIX socket: fixed newstyle, simple replies, one request at a time.
 *
 * <p><b>Threads:</b> one at a time. Calls wait for the server.
 */
public final class NbdClient implements AutoCloseable {
    private static final String SOCKET_KEY = "socket=";
    private static final int MOST_OPTION_REPLIES = 64;
    private static final int LONGEST_OPTION_REPLY = 64 << 10;

    private final SocketChannel channel;
    private final ByteBuffer head = ByteBuffer.allocate(Nbd.REQUEST_BYTES);
    private long cookie;
    private long sizeBytes = -1;
    private int flags;

    private NbdClient(SocketChannel channel) {
        this.channel = channel;
    }

    /**
     * Connects to an export.
     *
     * @param uri {@code nbd+unix:///NAME?socket=PATH}
     */
    public static NbdClient connect(URI uri) throws IOException {
        String query = uri.getQuery();
        if (!"nbd+unix".equals(uri.getScheme())
                || uri.getPath() == null
                || uri.getPath().isEmpty()
                || query == null
                || !query.startsWith(SOCKET_KEY)) {
            throw new IOException("not an address like nbd+unix:///NAME?socket=PATH: " + uri);
        }
        Path socket = Path.of(query.substring(SOCKET_KEY.length()));
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            channel.connect(UnixDomainSocketAddress.of(socket));
            NbdClient client = new NbdClient(channel);
            client.negotiate(uri.getPath().substring(1));
            return client;
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** The size of the export when this client connected, in bytes. */
    public long sizeBytes() {
        return sizeBytes;
    }

    /** Whether the export may only be read. */
    public boolean isReadOnly() {
        return (flags & Nbd.EXPORT_READ_ONLY) != 0;
    }

    /** Fills the rest of the buffer from the export. */
    public void read(long offset, ByteBuffer target) throws IOException {
        request(Nbd.CMD_READ, offset, target.remaining());
        reply("read", offset);
        fill(target);
    }

    /** Writes the rest of the buffer to the export. */
    public void write(long offset, ByteBuffer source) throws IOException {
        request(Nbd.CMD_WRITE, offset, source.remaining());
        send(source);
        reply("write", offset);
    }

    /** Makes everything that was written durable. */
    public void flush() throws IOException {
        request(Nbd.CMD_FLUSH, 0, 0);
        reply("flush", 0);
    }

    private void negotiate(String name) throws IOException {
        ByteBuffer greeting = take(18);
        if (greeting.getLong() != Nbd.MAGIC || greeting.getLong() != Nbd.OPTION_MAGIC) {
            throw new IOException("the server does not speak NBD");
        }
        int both = greeting.getShort() & (Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES);
        byte[] export = name.getBytes(StandardCharsets.UTF_8);
        ByteBuffer out = ByteBuffer.allocate(4 + Nbd.OPTION_HEADER_BYTES + 6 + export.length);
        out.putInt(both);
        out.putLong(Nbd.OPTION_MAGIC).putInt(Nbd.OPT_GO).putInt(6 + export.length);
        out.putInt(export.length).put(export).putShort((short) 0);
        send(out.flip());
        for (int i = 0; i < MOST_OPTION_REPLIES; i++) {
            if (optionReply(name)) {
                return;
            }
        }
        throw new IOException("the server does not come to the end of its answers");
    }

    /** Takes one answer; true when it was the last. */
    private boolean optionReply(String name) throws IOException {
        ByteBuffer in = take(20);
        if (in.getLong() != Nbd.OPTION_REPLY_MAGIC || in.getInt() != Nbd.OPT_GO) {
            throw new IOException("the server's answer is not one to the request");
        }
        int type = in.getInt();
        int length = in.getInt();
        if (length < 0 || length > LONGEST_OPTION_REPLY) {
            throw new IOException("the server's answer has the length " + length);
        }
        ByteBuffer data = take(length);
        if (type == Nbd.REP_ACK) {
            if (sizeBytes < 0) {
                throw new IOException("the server did not tell the size of " + name);
            }
            return true;
        }
        if (type != Nbd.REP_INFO) {
            String reason = StandardCharsets.UTF_8.decode(data).toString();
            throw new IOException("the server refuses the export " + name + ": " + reason);
        }
        if (data.remaining() >= 12 && data.getShort() == Nbd.INFO_EXPORT) {
            sizeBytes = data.getLong();
            flags = Short.toUnsignedInt(data.getShort());
        }
        return false;
    }

    private void request(int command, long offset, int length) throws IOException {
        head.clear();
        head.putInt(Nbd.REQUEST_MAGIC).putShort((short) 0).putShort((short) command);
        head.putLong(++cookie).putLong(offset).putInt(length);
        send(head.flip());
    }

    private void reply(String what, long offset) throws IOException {
        ByteBuffer in = take(Nbd.SIMPLE_REPLY_BYTES);
        int magic = in.getInt();
        int error = in.getInt();
        if (magic != Nbd.SIMPLE_REPLY_MAGIC || in.getLong() != cookie) {
            throw new IOException("the server's reply is not one to the request");
        }
        if (error != 0) {
            throw new IOException(what + " at offset " + offset + " failed with error " + error);
        }
    }

    private void send(ByteBuffer source) throws IOException {
        while (source.hasRemaining()) {
            channel.write(source);
        }
    }

    private ByteBuffer take(int count) throws IOException {
        ByteBuffer in = ByteBuffer.allocate(count);
        fill(in);
        return in.flip();
    }

    private void fill(ByteBuffer target) throws IOException {
        while (target.hasRemaining()) {
            if (channel.read(target) < 0) {
                throw new EOFException("the server closed the connection");
            }
        }
    }

    /** Says goodbye and closes the connection. */
    @Override
    public void close() throws IOException {
        try (channel) {
            request(Nbd.CMD_DISC, 0, 0);
        }
    }
}
