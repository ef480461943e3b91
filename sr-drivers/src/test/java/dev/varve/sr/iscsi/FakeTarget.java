// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi;

import dev.varve.sr.iscsi.pdu.BasicHeader;
import dev.varve.sr.iscsi.pdu.DataIn;
import dev.varve.sr.iscsi.pdu.ResponseHeader;
import dev.varve.sr.iscsi.pdu.ScsiCommand;
import dev.varve.sr.iscsi.pdu.ScsiResponse;
import dev.varve.vdi.time.Threads;

import java.io.Closeable;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A target that does what a test tells it to, right or wrong: each connection runs the next script.
 * It closes a connection when its script ends.
 */
public final class FakeTarget implements Closeable {
    private final ServerSocket listener;
    private final Deque<Script> scripts = new ArrayDeque<>();
    private final List<Throwable> failures = new CopyOnWriteArrayList<>();
    private final List<Socket> sockets = new CopyOnWriteArrayList<>();

    /** What happens on one connection. */
    public interface Script {
        void run(Peer peer) throws IOException;
    }

    /** Listens on loopback; connections run these scripts one after the other. */
    public FakeTarget(Script... scripts) throws IOException {
        this.listener = new ServerSocket(0, 8, InetAddress.getLoopbackAddress());
        this.scripts.addAll(Arrays.asList(scripts));
        Threads.platform("fake-target", this::accept).start();
    }

    /** Where it listens. */
    public Portal portal() {
        return new Portal("127.0.0.1", listener.getLocalPort());
    }

    private void accept() {
        while (!listener.isClosed()) {
            try (Socket socket = listener.accept()) {
                sockets.add(socket);
                Script script = next();
                if (script != null) {
                    script.run(new Peer(socket));
                }
            } catch (EOFException | java.net.SocketException e) {
                // The initiator has gone, or the test is over: both belong to scripts.
            } catch (IOException | RuntimeException | AssertionError e) {
                failures.add(e);
            }
        }
    }

    private synchronized Script next() {
        return scripts.poll();
    }

    /** What scripts noticed. */
    public List<Throwable> failures() {
        return failures;
    }

    @Override
    public void close() throws IOException {
        listener.close();
        for (Socket socket : sockets) {
            socket.close();
        }
    }

    /** One connection, seen from the target. */
    public static final class Peer {
        private final DataInputStream in;
        private final OutputStream out;
        private byte[] header;
        private byte[] data;
        private int status = 1;

        Peer(Socket socket) throws IOException {
            this.in = new DataInputStream(socket.getInputStream());
            this.out = socket.getOutputStream();
        }

        /** Takes the next request. */
        public byte[] receive() throws IOException {
            header = new byte[BasicHeader.BYTES];
            in.readFully(header);
            BasicHeader view = new BasicHeader();
            view.wrap(MemorySegment.ofArray(header), 0);
            data = new byte[view.dataSegmentBytes()];
            in.readFully(data);
            in.skipNBytes(BasicHeader.padded(data.length) - data.length);
            return header;
        }

        /** The text of the request. */
        public String text() {
            return new String(data, StandardCharsets.UTF_8).replace('\0', '\n');
        }

        /** A byte of the header of the request. */
        public byte byteAt(int at) {
            return header[at];
        }

        /** The data of the request. */
        public byte[] data() {
            return data;
        }

        /** The command of the request. */
        public ScsiCommand command() {
            ScsiCommand view = new ScsiCommand();
            view.wrap(MemorySegment.ofArray(header), 0);
            return view;
        }

        /** Sends bytes as they are. */
        public void raw(byte[] bytes) throws IOException {
            out.write(bytes);
            out.flush();
        }

        /** Sends a header that belongs to the last request, numbered, with data. */
        public void send(ResponseHeader view, MemorySegment pdu, byte[] content)
                throws IOException {
            view.setDataSegmentBytes(content.length);
            view.setExpectedCommandNumber(1);
            view.setMaximumCommandNumber(1000);
            byte[] bytes =
                    Arrays.copyOf(
                            pdu.toArray(java.lang.foreign.ValueLayout.JAVA_BYTE),
                            BasicHeader.BYTES + BasicHeader.padded(content.length));
            System.arraycopy(content, 0, bytes, BasicHeader.BYTES, content.length);
            raw(bytes);
        }

        /** Ends the connection. */
        public void close() throws IOException {
            out.close();
        }

        /** The number of the next status. */
        public int nextStatus() {
            return status++;
        }

        /** A login response; {@code flags} is byte 1 of it. */
        public byte[] loginAnswer(int flags, int statusClassAndDetail, String... keys) {
            byte[] text =
                    keys.length == 0
                            ? new byte[0]
                            : (String.join("\0", keys) + "\0").getBytes(StandardCharsets.UTF_8);
            byte[] bytes = new byte[BasicHeader.BYTES + BasicHeader.padded(text.length)];
            java.nio.ByteBuffer pdu = java.nio.ByteBuffer.wrap(bytes);
            pdu.put(0, (byte) 0x23).put(1, (byte) flags);
            pdu.putInt(4, text.length);
            pdu.put(8, header, 8, 6); // ISID
            pdu.putShort(14, (short) 7); // TSIH
            pdu.put(16, header, 16, 4); // tag
            pdu.putInt(24, nextStatus()).putInt(28, 1).putInt(32, 1000);
            pdu.putShort(36, (short) statusClassAndDetail);
            pdu.put(BasicHeader.BYTES, text);
            return bytes;
        }

        /** A login that goes well, without secrets. */
        public void logIn(String... keys) throws IOException {
            receive();
            raw(loginAnswer(0x81, 0, "AuthMethod=None", "TargetPortalGroupTag=1"));
            receive();
            raw(loginAnswer(0x87, 0, keys));
        }

        /** Ends the command of the last request. */
        public void respond(int scsiStatus, byte[] sense) throws IOException {
            MemorySegment pdu = MemorySegment.ofArray(new byte[BasicHeader.BYTES]);
            ScsiResponse view = new ScsiResponse();
            view.wrap(pdu, 0);
            view.begin();
            view.setInitiatorTaskTag(command().initiatorTaskTag());
            view.setStatus(scsiStatus);
            view.setStatusNumber(nextStatus());
            byte[] content = new byte[sense.length == 0 ? 0 : sense.length + 2];
            if (sense.length > 0) {
                content[1] = (byte) sense.length;
                System.arraycopy(sense, 0, content, 2, sense.length);
            }
            send(view, pdu, content);
        }

        /** Answers the command of the last request with data and a good end. */
        public void respond(byte[] content) throws IOException {
            MemorySegment pdu = MemorySegment.ofArray(new byte[BasicHeader.BYTES]);
            DataIn view = new DataIn();
            view.wrap(pdu, 0);
            view.begin();
            view.setInitiatorTaskTag(command().initiatorTaskTag());
            view.setFinal(true);
            view.setStatus(0);
            view.setStatusNumber(nextStatus());
            send(view, pdu, content);
        }
    }
}
