// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;

/** A client that sends exactly the bytes it is told to. */
final class RawClient implements AutoCloseable {
    /** An answer; the data of a structured one includes what comes before the payload. */
    record Reply(boolean structured, int flags, int type, int error, long cookie, byte[] data) {}

    /** An answer to an option. */
    record OptionReply(int option, int type, byte[] data) {}

    private final Closeable connection;
    private final Socket socket;
    private InputStream in;
    private OutputStream out;

    /** Over a UNIX socket. */
    RawClient(Path path) {
        try {
            SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel.connect(UnixDomainSocketAddress.of(path));
            connection = channel;
            socket = null;
            in = Channels.newInputStream(channel);
            out = Channels.newOutputStream(channel);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Over TCP, at first without TLS. */
    RawClient(InetSocketAddress address) {
        try {
            socket = new Socket(address.getAddress(), address.getPort());
            socket.setTcpNoDelay(true);
            connection = socket;
            in = socket.getInputStream();
            out = socket.getOutputStream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Asks for TLS after the greeting and makes the handshake; all that follows is protected. */
    SSLSocket startTls(SSLContext context, String protocol) throws IOException {
        OptionReply reply = ask(Nbd.OPT_STARTTLS, new byte[0]);
        if (reply.type() != Nbd.REP_ACK) {
            throw new IOException("TLS is refused");
        }
        SSLSocket secured =
                (SSLSocket)
                        context.getSocketFactory()
                                .createSocket(socket, "127.0.0.1", socket.getPort(), true);
        secured.setEnabledProtocols(new String[] {protocol});
        secured.startHandshake();
        in = secured.getInputStream();
        out = secured.getOutputStream();
        return secured;
    }

    void send(byte[] bytes) throws IOException {
        out.write(bytes);
        out.flush();
    }

    byte[] receive(int length) throws IOException {
        byte[] bytes = in.readNBytes(length);
        if (bytes.length < length) {
            throw new EOFException("the server closed the connection");
        }
        return bytes;
    }

    /** Whether the server has closed the connection; what came before that is thrown away. */
    boolean isEnded() {
        try {
            in.transferTo(OutputStream.nullOutputStream());
            return true;
        } catch (IOException reset) {
            return true;
        }
    }

    // ---- negotiation

    RawClient greet(int flags) throws IOException {
        receive(18);
        send(ByteBuffer.allocate(4).putInt(flags).array());
        return this;
    }

    static byte[] option(int option, byte[] data) {
        return ByteBuffer.allocate(16 + data.length)
                .putLong(Nbd.OPTION_MAGIC)
                .putInt(option)
                .putInt(data.length)
                .put(data)
                .array();
    }

    OptionReply optionReply() throws IOException {
        ByteBuffer head = ByteBuffer.wrap(receive(20));
        if (head.getLong() != Nbd.OPTION_REPLY_MAGIC) {
            throw new IOException("not an answer to an option");
        }
        int option = head.getInt();
        int type = head.getInt();
        return new OptionReply(option, type, receive(head.getInt()));
    }

    /** Sends an option and takes its answers up to the last. */
    OptionReply ask(int option, byte[] data) throws IOException {
        send(option(option, data));
        OptionReply reply = optionReply();
        while (reply.type() != Nbd.REP_ACK && reply.type() > 0) {
            reply = optionReply();
        }
        return reply;
    }

    static byte[] goData(String name) {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(6 + bytes.length)
                .putInt(bytes.length)
                .put(bytes)
                .putShort((short) 0)
                .array();
    }

    static byte[] contextData(String name, String... queries) {
        ByteBuffer data = ByteBuffer.allocate(1024);
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        data.putInt(bytes.length).put(bytes).putInt(queries.length);
        for (String query : queries) {
            byte[] text = query.getBytes(StandardCharsets.UTF_8);
            data.putInt(text.length).put(text);
        }
        return java.util.Arrays.copyOf(data.array(), data.position());
    }

    /** Negotiates up to the transmission. */
    RawClient go(String name, boolean structured) throws IOException {
        greet(Nbd.FLAG_FIXED_NEWSTYLE | Nbd.FLAG_NO_ZEROES);
        if (structured) {
            ask(Nbd.OPT_STRUCTURED_REPLY, new byte[0]);
            ask(Nbd.OPT_SET_META_CONTEXT, contextData(name, Nbd.CONTEXT_ALLOCATION));
        }
        OptionReply reply = ask(Nbd.OPT_GO, goData(name));
        if (reply.type() != Nbd.REP_ACK) {
            throw new IOException("refused: " + new String(reply.data(), StandardCharsets.UTF_8));
        }
        return this;
    }

    // ---- requests

    static byte[] request(int flags, int command, long cookie, long offset, int length) {
        return ByteBuffer.allocate(28)
                .putInt(Nbd.REQUEST_MAGIC)
                .putShort((short) flags)
                .putShort((short) command)
                .putLong(cookie)
                .putLong(offset)
                .putInt(length)
                .array();
    }

    void command(int flags, int command, long cookie, long offset, int length) throws IOException {
        send(request(flags, command, cookie, offset, length));
    }

    void write(int flags, long cookie, long offset, byte[] data) throws IOException {
        command(flags, Nbd.CMD_WRITE, cookie, offset, data.length);
        send(data);
    }

    /** Takes an answer; the length is that of a simple answer's data when there is no error. */
    Reply reply(int dataBytes) throws IOException {
        ByteBuffer head = ByteBuffer.wrap(receive(16));
        int magic = head.getInt();
        if (magic == Nbd.SIMPLE_REPLY_MAGIC) {
            int error = head.getInt();
            byte[] data = error == 0 ? receive(dataBytes) : new byte[0];
            return new Reply(false, 0, 0, error, head.getLong(), data);
        }
        if (magic != Nbd.STRUCTURED_REPLY_MAGIC) {
            throw new IOException("not an answer: %08x".formatted(magic));
        }
        int flags = head.getShort();
        int type = Short.toUnsignedInt(head.getShort());
        byte[] data = receive(ByteBuffer.wrap(receive(4)).getInt());
        int error = type >= 0x8000 ? ByteBuffer.wrap(data).getInt() : 0;
        return new Reply(true, flags, type, error, head.getLong(), data);
    }

    @Override
    public void close() {
        try {
            connection.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
