// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.lane;

import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.LoggedIn;
import dev.varve.sr.iscsi.Negotiated;
import dev.varve.sr.iscsi.Portal;
import dev.varve.sr.iscsi.SessionSpec;
import dev.varve.sr.iscsi.pdu.BasicHeader;
import dev.varve.sr.iscsi.pdu.Crc32c;
import dev.varve.sr.iscsi.pdu.DataIn;
import dev.varve.sr.iscsi.pdu.DataOut;
import dev.varve.sr.iscsi.pdu.LogoutResponse;
import dev.varve.sr.iscsi.pdu.NopIn;
import dev.varve.sr.iscsi.pdu.NopOut;
import dev.varve.sr.iscsi.pdu.Opcode;
import dev.varve.sr.iscsi.pdu.ReadyToTransfer;
import dev.varve.sr.iscsi.pdu.ResponseHeader;
import dev.varve.sr.iscsi.pdu.ScsiCommand;
import dev.varve.sr.iscsi.pdu.ScsiResponse;
import dev.varve.sr.iscsi.pdu.TaskManagementRequest;
import dev.varve.sr.iscsi.pdu.TaskManagementResponse;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.ffi.Libc;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A target in memory with one unit, in full feature phase from the first byte on: {@link #logIn}
 * stands for the login. What it does with a command is up to the test.
 */
final class FakeTarget implements AutoCloseable, NexusLogin {
    /** What happens to a command. */
    sealed interface Reply {
        /** It is carried out. */
        record Do() implements Reply {}

        /** It is taken and neither carried out nor answered. */
        record Keep() implements Reply {}

        /** It ends with a status, and perhaps sense key and code. */
        record Say(int status, int key, int code) implements Reply {}

        /** The connection is cut. */
        record Cut() implements Reply {}

        /** It is carried out, but the data it brings have a wrong digest. */
        record Spoil() implements Reply {}
    }

    /** A command that has come, with all its data. */
    record Seen(int operation, long block, int blocks, boolean force, long isid, byte[] data) {
        boolean changes() {
            return operation == 0x8A || operation == 0x93 || operation == 0x42;
        }
    }

    /** What the test wants to happen to a command. */
    interface Script {
        Reply on(Seen command);
    }

    static final int BLOCK = 512;
    static final int BLOCKS = 8192;

    final byte[] disk = new byte[BLOCK * BLOCKS];
    final List<Seen> seen = Collections.synchronizedList(new ArrayList<>());
    final List<Integer> aborted = new CopyOnWriteArrayList<>();
    final List<Portal> logins = new CopyOnWriteArrayList<>();
    final Map<Integer, Boolean> closedPorts = Collections.synchronizedMap(new HashMap<>());
    final List<IOException> trouble = new CopyOnWriteArrayList<>();
    final List<Connection> connections = new CopyOnWriteArrayList<>();
    private final List<ServerSocket> servers = new ArrayList<>();
    private final Negotiated negotiated;
    volatile Script script = command -> new Reply.Do();
    volatile int window = 32;
    volatile int blocks = BLOCKS;
    volatile byte serial = 1;
    volatile int pieceBytes = 4096;
    volatile int mostR2t = 3;
    volatile boolean forgets;

    FakeTarget(Negotiated negotiated, int portals) throws IOException {
        this.negotiated = negotiated;
        for (int i = 0; i < portals; i++) {
            ServerSocket server = new ServerSocket(0, 16, InetAddress.getLoopbackAddress());
            servers.add(server);
        }
    }

    static Negotiated plain() {
        return negotiated(false, true, true, 8192, 65536, 1);
    }

    static Negotiated negotiated(
            boolean digests,
            boolean initialR2t,
            boolean immediate,
            int send,
            int burst,
            int group) {
        return new Negotiated(
                65536,
                send,
                burst,
                burst / 2,
                initialR2t,
                immediate,
                4,
                digests,
                digests,
                0,
                0,
                group);
    }

    List<Portal> portals() {
        return servers.stream().map(s -> new Portal("127.0.0.1", s.getLocalPort())).toList();
    }

    void close(Portal portal, boolean shut) {
        closedPorts.put(portal.port(), shut);
    }

    void cutAll() throws IOException {
        for (Connection connection : connections) {
            connection.cut();
        }
    }

    @Override
    public synchronized LoggedIn logIn(SessionSpec spec, Deadline deadline) {
        if (closedPorts.getOrDefault(spec.portal().port(), false)) {
            throw ErrorCode.ISCSI_TARGET.because("nobody listens at " + spec.portal());
        }
        try {
            for (Connection connection : connections) {
                if (connection.isid == spec.isid().bits()) {
                    connection.end();
                }
            }
            ServerSocket server =
                    servers.stream()
                            .filter(s -> s.getLocalPort() == spec.portal().port())
                            .findFirst()
                            .orElseThrow();
            int fd = Libc.connectTcp(InetAddress.getLoopbackAddress(), spec.portal().port());
            Connection connection = new Connection(server.accept(), spec.isid().bits());
            connections.add(connection);
            logins.add(spec.portal());
            Thread.ofPlatform().daemon().start(connection::serve);
            return new LoggedIn(
                    fd,
                    negotiated,
                    spec.isid(),
                    1,
                    spec.portal(),
                    0,
                    0x7FFFFFF0,
                    1,
                    0x7FFFFFF0,
                    0x7FFFFFF0 + window - 1);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() throws IOException {
        for (Connection connection : connections) {
            connection.end();
        }
        for (ServerSocket server : servers) {
            server.close();
        }
    }

    /** One nexus. */
    final class Connection {
        private final Socket socket;
        final long isid;
        private final DataInputStream in;
        private final OutputStream out;
        private final Arena arena = Arena.ofAuto();
        private final Map<Integer, Task> tasks = new HashMap<>();
        private int expected = 0x7FFFFFF0;
        private int status = 1;
        volatile boolean ended;

        private static final class Task {
            int tag;
            Seen seen;
            byte[] data;
            int have;
            int askedTo;
            int r2tNumber;
            int openR2t;
            int unsolicitedTo;
            byte[] cdb;
        }

        Connection(Socket socket, long isid) throws IOException {
            this.socket = socket;
            this.isid = isid;
            in = new DataInputStream(socket.getInputStream());
            out = socket.getOutputStream();
            socket.setTcpNoDelay(true);
        }

        /** The wire is gone; what was kept may still happen. */
        void cut() throws IOException {
            socket.close();
        }

        /** The nexus has ended: nothing of it happens any more. */
        void end() throws IOException {
            ended = true;
            socket.close();
        }

        void serve() {
            try (socket) {
                while (true) {
                    one();
                }
            } catch (IOException e) {
                trouble.add(e); // or the wire is gone
            }
        }

        private MemorySegment header() throws IOException {
            byte[] bytes = new byte[48 + (negotiated.headerDigest() ? 4 : 0)];
            in.readFully(bytes);
            MemorySegment header = arena.allocate(64, 8);
            MemorySegment.copy(bytes, 0, header, ValueLayout.JAVA_BYTE, 0, bytes.length);
            if (negotiated.headerDigest()
                    && new Crc32c().of(header, 0, 48) != Crc32c.get(header, 48)) {
                throw new IOException("header digest");
            }
            return header;
        }

        private byte[] data(int bytes) throws IOException {
            int padded = BasicHeader.padded(bytes);
            byte[] all = new byte[padded + (negotiated.dataDigest() && bytes > 0 ? 4 : 0)];
            in.readFully(all);
            if (negotiated.dataDigest() && bytes > 0) {
                MemorySegment copy = arena.allocate(all.length, 8);
                MemorySegment.copy(all, 0, copy, ValueLayout.JAVA_BYTE, 0, all.length);
                if (new Crc32c().of(copy, 0, padded) != Crc32c.get(copy, padded)) {
                    throw new IOException("data digest");
                }
            }
            return Arrays.copyOf(all, bytes);
        }

        private void one() throws IOException {
            MemorySegment memory = header();
            BasicHeader basic = new ResponseHeader();
            basic.wrap(memory, 0);
            byte[] data = data(basic.dataSegmentBytes());
            switch (basic.opcode()) {
                case Opcode.SCSI_COMMAND -> command(memory, data);
                case Opcode.DATA_OUT -> dataOut(memory, data);
                case Opcode.NOP_OUT -> life(memory);
                case Opcode.TASK_MANAGEMENT_REQUEST -> manage(memory);
                case Opcode.LOGOUT_REQUEST -> {
                    LogoutResponse answer = new LogoutResponse();
                    MemorySegment to = arena.allocate(48, 8);
                    answer.wrap(to, 0);
                    answer.begin();
                    answer.setInitiatorTaskTag(basic.initiatorTaskTag());
                    send(answer, to, null, false, true);
                    socket.close();
                }
                default -> throw new IOException("opcode " + basic.opcode());
            }
        }

        private void command(MemorySegment memory, byte[] data) throws IOException {
            ScsiCommand command = new ScsiCommand();
            command.wrap(memory, 0);
            if (command.commandNumber() != expected) {
                throw new IOException("CmdSN " + command.commandNumber() + " not " + expected);
            }
            expected++;
            Task task = new Task();
            task.tag = command.initiatorTaskTag();
            task.cdb = memory.asSlice(32, 16).toArray(ValueLayout.JAVA_BYTE);
            task.data = new byte[command.isWrite() ? command.expectedTransferBytes() : 0];
            System.arraycopy(data, 0, task.data, 0, data.length);
            task.have = data.length;
            boolean more = !command.isFinal();
            if (more && negotiated.initialR2t()) {
                throw new IOException("unsolicited data are not negotiated");
            }
            if (data.length > 0 && !negotiated.immediateData()) {
                throw new IOException("immediate data are not negotiated");
            }
            task.unsolicitedTo =
                    more ? Math.min(negotiated.firstBurstBytes(), task.data.length) : data.length;
            task.askedTo = task.unsolicitedTo;
            tasks.put(task.tag, task);
            advance(task);
        }

        private void dataOut(MemorySegment memory, byte[] data) throws IOException {
            DataOut header = new DataOut();
            header.wrap(memory, 0);
            Task task = tasks.get(header.initiatorTaskTag());
            if (task == null) {
                return; // aborted
            }
            if (header.bufferOffset() + data.length > task.askedTo
                    || data.length > negotiated.sendBytes()) {
                throw new IOException("more data than asked for");
            }
            System.arraycopy(data, 0, task.data, header.bufferOffset(), data.length);
            task.have += data.length;
            if (header.isFinal() && header.targetTransferTag() != BasicHeader.NO_TAG) {
                task.openR2t--;
            }
            advance(task);
        }

        /** Asks for data, several parts at once, or carries the command out. */
        private void advance(Task task) throws IOException {
            if (task.have < task.unsolicitedTo) {
                return;
            }
            while (task.askedTo < task.data.length && task.openR2t < mostR2t) {
                int bytes =
                        Math.min(
                                Math.min(pieceBytes * 3, negotiated.maxBurstBytes()),
                                task.data.length - task.askedTo);
                ReadyToTransfer ready = new ReadyToTransfer();
                MemorySegment to = arena.allocate(48, 8);
                ready.wrap(to, 0);
                ready.begin();
                ready.setInitiatorTaskTag(task.tag);
                ready.setTargetTransferTag(1000 + task.r2tNumber);
                ready.setNumber(task.r2tNumber++);
                ready.setBufferOffset(task.askedTo);
                ready.setDesiredBytes(bytes);
                task.askedTo += bytes;
                task.openR2t++;
                send(ready, to, null, false, false);
            }
            if (task.have == task.data.length) {
                perform(task);
            }
        }

        private void perform(Task task) throws IOException {
            ByteBuffer cdb = ByteBuffer.wrap(task.cdb);
            int operation = cdb.get(0) & 0xFF;
            boolean force = (cdb.get(1) & 8) != 0;
            task.seen = new Seen(operation, cdb.getLong(2), cdb.getInt(10), force, isid, task.data);
            boolean setup = operation == 0 || operation == 0x12 || operation == 0x9E;
            Reply reply = setup ? new Reply.Do() : script.on(task.seen);
            if (!forgets) {
                seen.add(task.seen);
            }
            switch (reply) {
                case Reply.Do ignored -> carryOut(task, false);
                case Reply.Spoil ignored -> carryOut(task, true);
                case Reply.Keep ignored -> {
                    return;
                }
                case Reply.Say say -> respond(task, say.status(), say.key(), say.code());
                case Reply.Cut ignored -> throw cutNow();
            }
            tasks.remove(task.tag);
        }

        private IOException cutNow() throws IOException {
            socket.close();
            return new IOException("cut");
        }

        private void carryOut(Task task, boolean spoil) throws IOException {
            Seen it = task.seen;
            int at = (int) (it.block() * BLOCK);
            switch (it.operation()) {
                case 0x88 -> {
                    byte[] found;
                    synchronized (disk) {
                        found = Arrays.copyOfRange(disk, at, at + it.blocks() * BLOCK);
                    }
                    dataIn(task, found, spoil);
                    return;
                }
                case 0x8A -> {
                    synchronized (disk) {
                        System.arraycopy(it.data(), 0, disk, at, it.data().length);
                    }
                }
                case 0x93 -> {
                    synchronized (disk) {
                        Arrays.fill(disk, at, at + it.blocks() * BLOCK, (byte) 0);
                    }
                }
                case 0x12 -> {
                    byte[] page = {0, (byte) 0x83, 0, 12, 1, 3, 0, 8, 5, 0, 0, 0, 0, 0, 0, serial};
                    dataIn(task, page, false);
                    return;
                }
                case 0x9E -> {
                    ByteBuffer answer = ByteBuffer.allocate(32);
                    answer.putLong(blocks - 1L).putInt(BLOCK);
                    dataIn(task, answer.array(), false);
                    return;
                }
                default -> {
                    // nothing to be done
                }
            }
            respond(task, 0, 0, 0);
        }

        private void dataIn(Task task, byte[] data, boolean spoil) throws IOException {
            int number = 0;
            int piece = pieceBytes;
            for (int at = 0; at < data.length; at += piece) {
                int bytes = Math.min(piece, data.length - at);
                DataIn header = new DataIn();
                MemorySegment to = arena.allocate(48, 8);
                header.wrap(to, 0);
                header.begin();
                header.setInitiatorTaskTag(task.tag);
                header.setDataNumber(number++);
                header.setBufferOffset(at);
                boolean last = at + bytes == data.length;
                header.setFinal(last);
                if (last) {
                    header.setStatus(0);
                }
                send(header, to, Arrays.copyOfRange(data, at, at + bytes), spoil, last);
            }
        }

        private void respond(Task task, int said, int key, int code) throws IOException {
            ScsiResponse answer = new ScsiResponse();
            MemorySegment to = arena.allocate(48, 8);
            answer.wrap(to, 0);
            answer.begin();
            answer.setInitiatorTaskTag(task.tag);
            answer.setStatus(said);
            byte[] sense = null;
            if (said == 2) {
                sense = new byte[20];
                sense[1] = 18;
                sense[2] = 0x70;
                sense[9] = 10;
                sense[4] = (byte) key;
                sense[14] = (byte) (code >> 8);
                sense[15] = (byte) code;
            }
            send(answer, to, sense, false, true);
        }

        private void life(MemorySegment memory) throws IOException {
            NopOut asked = new NopOut();
            asked.wrap(memory, 0);
            NopIn answer = new NopIn();
            MemorySegment to = arena.allocate(48, 8);
            answer.wrap(to, 0);
            answer.begin();
            answer.setInitiatorTaskTag(asked.initiatorTaskTag());
            send(answer, to, null, false, true);
        }

        private void manage(MemorySegment memory) throws IOException {
            TaskManagementRequest asked = new TaskManagementRequest();
            asked.wrap(memory, 0);
            aborted.add(asked.referencedTaskTag());
            Task task = tasks.remove(asked.referencedTaskTag());
            TaskManagementResponse answer = new TaskManagementResponse();
            MemorySegment to = arena.allocate(48, 8);
            answer.wrap(to, 0);
            answer.begin();
            answer.setInitiatorTaskTag(asked.initiatorTaskTag());
            answer.setResponse(task == null ? 1 : 0);
            send(answer, to, null, false, true);
        }

        private synchronized void send(
                ResponseHeader header,
                MemorySegment memory,
                byte[] data,
                boolean spoil,
                boolean uses)
                throws IOException {
            header.setStatusNumber(uses ? status++ : status);
            header.setExpectedCommandNumber(expected);
            header.setMaximumCommandNumber(expected + window - 1);
            int bytes = data == null ? 0 : data.length;
            header.setDataSegmentBytes(bytes);
            out.write(memory.asSlice(0, 48).toArray(ValueLayout.JAVA_BYTE));
            if (negotiated.headerDigest()) {
                out.write(digest(new Crc32c().of(memory, 0, 48)));
            }
            if (bytes > 0) {
                byte[] padded = Arrays.copyOf(data, BasicHeader.padded(bytes));
                MemorySegment copy = arena.allocate(padded.length, 8);
                MemorySegment.copy(padded, 0, copy, ValueLayout.JAVA_BYTE, 0, padded.length);
                out.write(padded);
                if (negotiated.dataDigest()) {
                    int value = new Crc32c().of(copy, 0, padded.length);
                    out.write(digest(spoil ? value + 1 : value));
                }
            }
            out.flush();
        }

        private static byte[] digest(int value) {
            return new byte[] {
                (byte) value, (byte) (value >> 8), (byte) (value >> 16), (byte) (value >> 24)
            };
        }
    }
}
