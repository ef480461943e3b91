// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** A client that sends exactly the bytes it is told to. */
final class RawClient implements AutoCloseable {
    /** An answer; the data of a structured one includes what comes before the payload. */
    record Reply(boolean structured, int flags, int type, int error, long cookie, byte[] data) {}

    /** An answer to an option. */
    record OptionReply(int option, int type, byte[] data) {}

    private final SocketChannel channel;

    RawClient(Path socket) {
        try {
            channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel.connect(UnixDomainSocketAddress.of(socket));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    SocketChannel channel() {
        return channel;
    }

    void send(byte[] bytes) throws IOException {
        ByteBuffer out = ByteBuffer.wrap(bytes);
        while (out.hasRemaining()) {
            channel.write(out);
        }
    }

    byte[] receive(int length) throws IOException {
        ByteBuffer in = ByteBuffer.allocate(length);
        while (in.hasRemaining()) {
            if (channel.read(in) < 0) {
                throw new EOFException("the server closed the connection");
            }
        }
        return in.array();
    }

    /** Whether the server has closed the connection; what came before that is thrown away. */
    boolean isEnded() {
        try {
            ByteBuffer in = ByteBuffer.allocate(1 << 16);
            while (channel.read(in) >= 0) {
                in.clear();
            }
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
            channel.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
