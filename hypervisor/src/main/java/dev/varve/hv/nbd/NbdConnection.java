// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.BufferPool;
import dev.varve.vdi.block.ExtentList;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.io.IoOp;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * One client: first the negotiation, then requests and answers.
 *
 * <p>Requests are taken from the socket as long as the disk has requests and memory to spare and
 * the client's own share is not used up; otherwise the socket is left alone until something comes
 * back, so a client that sends faster than it reads stops itself. Answers that became ready in one
 * turn of the lane leave in one system call.
 *
 * <p><b>Invariants:</b> at most one receive and one wait for room in the socket are in flight. The
 * descriptor is closed when neither is and no request of the client is.
 *
 * <p><b>Threads:</b> the lane's only: the accepting one's while negotiating, then the disk's.
 */
public final class NbdConnection {
    private static final int INPUT_BYTES = 64 << 10;
    private static final int LARGE_WRITE_BYTES = 32 << 10;
    private static final int MOST_IN_FLIGHT = 64;
    private static final int MOST_VECTORS = 64;
    private static final int MESSAGE_HEADER_BYTES = 56;
    private static final int VECTOR_BYTES = 16;
    private static final long NEGOTIATION_NANOS = TimeUnit.SECONDS.toNanos(15);
    private static final long STALLED_NANOS = TimeUnit.SECONDS.toNanos(60);

    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private final NbdSocket socket;
    private final NbdHandshake.Exports exports;
    private final Consumer<NbdConnection> negotiated;
    private final Arena arena = Arena.ofAuto();
    private final MemorySegment input = arena.allocate(INPUT_BYTES, 4096);
    private final MemorySegment message =
            arena.allocate(MESSAGE_HEADER_BYTES + MOST_VECTORS * VECTOR_BYTES, 8);
    private final IoOp receiveOp = new IoOp(this);
    private final IoOp writableOp = new IoOp(this);
    private final Runnable sendAtEndOfTurn = this::sendAtEndOfTurn;
    private final BlockCompletion blockDone = this::blockDone;
    private final Runnable takeMore = this::takeMore;
    private final LaneTimer negotiationEnd = new LaneTimer(this::terminate);
    private final LaneTimer stallCheck = new LaneTimer(this::checkForStall);

    private Lane lane;
    private NbdHandshake handshake;
    private NbdExport export;
    private ActiveVdi vdi;
    private boolean structured;
    private boolean blockStatus;

    private int inputStart;
    private int inputEnd;
    private NbdRequest incoming;
    private boolean justWroteMuch;
    private boolean waitingForRoom;
    private boolean takeScheduled;
    private long receivedBytes;
    private long receivedAtLastCheck;

    private NbdRequest free;
    private int inFlight;
    private NbdRequest answersFirst;
    private NbdRequest answersLast;
    private boolean sendScheduled;
    private long sentBytes;
    private long sentAtLastCheck = -1;
    private boolean leaving;
    private boolean broken;
    private boolean closed;

    /**
     * @param exports what the client can ask for
     * @param negotiated told when the client has chosen or left; perhaps more than once
     */
    public NbdConnection(
            NbdSocket socket, NbdHandshake.Exports exports, Consumer<NbdConnection> negotiated) {
        this.socket = socket;
        this.exports = exports;
        this.negotiated = negotiated;
        receiveOp.kind = IoOp.Kind.RECEIVE;
        receiveOp.socket = socket.number();
        receiveOp.completion = (op, result) -> received(result);
        writableOp.kind = IoOp.Kind.POLL_WRITABLE;
        writableOp.socket = socket.number();
        writableOp.completion = (op, result) -> becameWritable(result);
    }

    /** Begins to negotiate on the accepting lane. */
    public void start(Lane acceptingLane) {
        lane = acceptingLane;
        handshake = new NbdHandshake(exports);
        queueBytes(handshake.takeOutput());
        lane.schedule(negotiationEnd, NEGOTIATION_NANOS);
        send();
        receive();
    }

    // ---- input

    private void receive() {
        if (broken || leaving || receiveOp.isInFlight()) {
            return;
        }
        if (incoming != null) {
            int rest = incoming.length - incoming.received;
            receiveOp.address =
                    incoming.buffer.address() + BufferPool.HEADROOM_BYTES + incoming.received;
            receiveOp.length = rest;
        } else {
            compact();
            int room = INPUT_BYTES - inputEnd;
            boolean headerOnly = justWroteMuch && inputEnd < Nbd.REQUEST_BYTES;
            receiveOp.address = input.address() + inputEnd;
            receiveOp.length = headerOnly ? Nbd.REQUEST_BYTES - inputEnd : room;
        }
        lane.io().submit(receiveOp);
    }

    private void compact() {
        int rest = inputEnd - inputStart;
        if (inputStart > 0) {
            MemorySegment.copy(input, inputStart, input, 0, rest);
            inputStart = 0;
            inputEnd = rest;
        }
    }

    private void received(int count) {
        if (count <= 0 || broken) {
            terminate();
            return;
        }
        receivedBytes += count;
        if (incoming != null) {
            incoming.received += count;
            if (incoming.received == incoming.length) {
                NbdRequest complete = incoming;
                incoming = null;
                submit(complete);
            }
        } else {
            inputEnd += count;
        }
        takeMore();
    }

    /** Takes what the input holds, then asks the socket for more. */
    private void takeMore() {
        waitingForRoom = false;
        takeScheduled = false;
        if (broken) {
            finishIfIdle();
            return;
        }
        if (vdi == null) {
            negotiate();
        } else {
            while (incoming == null && !leaving && inputEnd - inputStart >= Nbd.REQUEST_BYTES) {
                if (!takeRequest()) {
                    return;
                }
            }
            receive();
        }
    }

    private void negotiate() {
        ByteBuffer in = input.asSlice(inputStart, inputEnd - inputStart).asByteBuffer();
        handshake.accept(in);
        inputStart += in.position();
        queueBytes(handshake.takeOutput());
        send();
        if (broken) {
            return;
        }
        switch (handshake.state()) {
            case OPEN -> receive();
            case DONE -> enter(handshake.export());
            case CLOSED -> leave();
        }
    }

    /**
     * Goes to the lane of the disk, once what was said so far has left. Until it is there, it
     * belongs to neither list and to this lane.
     */
    private void enter(NbdExport chosen) {
        export = chosen;
        if (!writableOp.isInFlight()) {
            move();
        }
    }

    private void move() {
        negotiationEnd.cancel();
        negotiated.accept(this);
        Lane next = export.vdi().lane();
        if (next == lane) {
            arrive();
        } else {
            lane = next;
            next.execute(this::arrive);
        }
    }

    private void arrive() {
        if (broken) {
            finishIfIdle();
            return;
        }
        structured = handshake.isStructured();
        blockStatus = handshake.hasAllocationContext();
        handshake = null;
        vdi = export.vdi();
        if (export.add(this)) {
            lane.schedule(stallCheck, STALLED_NANOS);
            takeMore();
        } else {
            terminate();
        }
    }

    // ---- requests

    /** Takes one request from the input; false when there is no slot or memory for it now. */
    private boolean takeRequest() {
        int at = inputStart;
        if (input.get(INT, at) != Nbd.REQUEST_MAGIC) {
            terminate();
            return false;
        }
        int command = Short.toUnsignedInt(input.get(SHORT, at + 6));
        int length = input.get(INT, at + 24);
        if (command == Nbd.CMD_DISC) {
            leave();
            return false;
        }
        boolean carriesData = command == Nbd.CMD_READ || command == Nbd.CMD_WRITE;
        if (carriesData && Integer.compareUnsigned(length, Nbd.MAXIMUM_PAYLOAD_BYTES) > 0) {
            if (command == Nbd.CMD_WRITE) {
                terminate(); // the data would have to be read to find the next request
                return false;
            }
            carriesData = false;
        }
        NbdRequest request = takeSlot(carriesData ? length : 0);
        if (request == null) {
            return false;
        }
        request.flags = Short.toUnsignedInt(input.get(SHORT, at + 4));
        request.command = command;
        request.cookie = input.get(LONG, at + 8);
        request.offset = input.get(LONG, at + 16);
        request.length = length;
        request.received = 0;
        inputStart += Nbd.REQUEST_BYTES;
        if (command == Nbd.CMD_WRITE) {
            takeData(request);
        } else {
            justWroteMuch = false;
            submit(request);
        }
        return true;
    }

    /** A slot with a request to the disk and memory for the data, or null for now. */
    private NbdRequest takeSlot(int dataBytes) {
        if (inFlight >= MOST_IN_FLIGHT) {
            waitingForRoom = true; // the end of one of our own requests goes on
            return null;
        }
        BlockRequest block = vdi.requests().tryAcquire();
        if (block == null) {
            waitForRoom();
            return null;
        }
        MemorySegment buffer = null;
        if (dataBytes > 0) {
            buffer = vdi.requests().acquireMemory(dataBytes);
            if (buffer == null) {
                vdi.requests().putBack(block);
                waitingForRoom = true;
                lane.buffers().whenReleased(takeMore);
                return null;
            }
        }
        NbdRequest request = free;
        if (request == null) {
            request = new NbdRequest(arena.allocate(NbdRequest.SCRATCH_BYTES, 8));
        } else {
            free = request.next;
        }
        request.next = null;
        request.block = block;
        request.buffer = buffer;
        inFlight++;
        return request;
    }

    private void waitForRoom() {
        if (!waitingForRoom) {
            waitingForRoom = true;
            vdi.requests().whenFree(takeMore);
        }
    }

    /** Copies what has come of a write's data; the rest goes straight into its memory. */
    private void takeData(NbdRequest request) {
        justWroteMuch = request.length >= LARGE_WRITE_BYTES;
        int there = Math.min(request.length, inputEnd - inputStart);
        if (there > 0) {
            MemorySegment.copy(input, inputStart, request.buffer, BufferPool.HEADROOM_BYTES, there);
            inputStart += there;
            request.received = there;
        }
        if (request.received == request.length) {
            submit(request);
        } else {
            incoming = request;
        }
    }

    private void submit(NbdRequest request) {
        int error = prepare(request);
        if (error != 0) {
            answerError(request, error);
            return;
        }
        BlockRequest block = request.block;
        block.owner = request;
        block.push(blockDone);
        vdi.device().submit(block);
    }

    /** Turns the client's request into one for the disk; an error number when that cannot be. */
    private int prepare(NbdRequest request) {
        long length = Integer.toUnsignedLong(request.length);
        BlockOp op =
                switch (request.command) {
                    case Nbd.CMD_READ -> BlockOp.READ;
                    case Nbd.CMD_WRITE -> BlockOp.WRITE;
                    case Nbd.CMD_FLUSH -> BlockOp.FLUSH;
                    case Nbd.CMD_TRIM -> BlockOp.DISCARD;
                    case Nbd.CMD_WRITE_ZEROES -> BlockOp.WRITE_ZEROES;
                    case Nbd.CMD_BLOCK_STATUS -> blockStatus ? BlockOp.EXTENTS : null;
                    default -> null;
                };
        if (op == null || (request.flags & ~allowedFlags(request.command)) != 0) {
            return Nbd.EINVAL;
        }
        long size = vdi.device().geometry().sizeBytes();
        boolean outside =
                op != BlockOp.FLUSH
                        && (request.offset < 0 || length > size || request.offset > size - length);
        if (outside) {
            return op == BlockOp.WRITE || op == BlockOp.WRITE_ZEROES ? Nbd.ENOSPC : Nbd.EINVAL;
        }
        MemorySegment buffer = request.buffer;
        if ((op == BlockOp.READ || op == BlockOp.WRITE) && buffer == null) {
            return Nbd.EINVAL; // nothing to transfer, or more than is allowed
        }
        int flags = request.has(Nbd.CMD_FLAG_FUA) && op.changes() ? BlockRequest.FUA : 0;
        flags |= request.has(Nbd.CMD_FLAG_NO_HOLE) ? BlockRequest.NO_HOLE : 0;
        request.block.set(op, flags, op == BlockOp.FLUSH ? 0 : request.offset, length);
        request.block.data(buffer, BufferPool.HEADROOM_BYTES);
        request.block.extents = op == BlockOp.EXTENTS ? extents(request) : null;
        return 0;
    }

    private static ExtentList extents(NbdRequest request) {
        return request.extents(request.has(Nbd.CMD_FLAG_REQ_ONE) ? 1 : NbdRequest.EXTENTS);
    }

    private static int allowedFlags(int command) {
        return switch (command) {
            case Nbd.CMD_READ -> Nbd.CMD_FLAG_FUA | Nbd.CMD_FLAG_DF;
            case Nbd.CMD_WRITE_ZEROES -> Nbd.CMD_FLAG_FUA | Nbd.CMD_FLAG_NO_HOLE;
            case Nbd.CMD_BLOCK_STATUS -> Nbd.CMD_FLAG_FUA | Nbd.CMD_FLAG_REQ_ONE;
            default -> Nbd.CMD_FLAG_FUA;
        };
    }

    // ---- answers

    /**
     * The request to the disk is given back at once: a client that does not take its answers keeps
     * its own memory and slots, and not what others need to reach the disk.
     */
    private void blockDone(BlockRequest block) {
        NbdRequest request = (NbdRequest) block.owner;
        IoStatus status = block.status;
        BlockOp op = block.op;
        request.block = null;
        vdi.requests().release(block);
        if (broken) {
            finish(request);
        } else if (status != IoStatus.OK) {
            answerError(request, Nbd.error(status));
        } else if (op == BlockOp.READ) {
            answerData(request);
        } else if (op == BlockOp.EXTENTS) {
            answerExtents(request);
        } else {
            answerSimple(request, 0);
        }
    }

    private void answerError(NbdRequest request, int error) {
        boolean chunk =
                structured
                        && (request.command == Nbd.CMD_READ
                                || request.command == Nbd.CMD_BLOCK_STATUS);
        if (chunk) {
            MemorySegment scratch = request.scratch;
            chunkHeader(scratch, 0, request, Nbd.REPLY_ERROR, 6);
            scratch.set(INT, Nbd.CHUNK_HEADER_BYTES, error);
            scratch.set(SHORT, Nbd.CHUNK_HEADER_BYTES + 4L, (short) 0);
            answer(request, scratch.address(), Nbd.CHUNK_HEADER_BYTES + 6);
        } else {
            answerSimple(request, error);
        }
    }

    private void answerSimple(NbdRequest request, int error) {
        simpleHeader(request.scratch, 0, request, error);
        answer(request, request.scratch.address(), Nbd.SIMPLE_REPLY_BYTES);
    }

    /** The header goes right before the data, so that both are one piece. */
    private void answerData(NbdRequest request) {
        MemorySegment buffer = request.buffer;
        int header = structured ? Nbd.CHUNK_HEADER_BYTES + 8 : Nbd.SIMPLE_REPLY_BYTES;
        long at = (long) BufferPool.HEADROOM_BYTES - header;
        if (structured) {
            chunkHeader(buffer, at, request, Nbd.REPLY_OFFSET_DATA, 8 + request.length);
            buffer.set(LONG, at + Nbd.CHUNK_HEADER_BYTES, request.offset);
        } else {
            simpleHeader(buffer, at, request, 0);
        }
        answer(request, buffer.address() + at, (long) header + request.length);
    }

    private void answerExtents(NbdRequest request) {
        ExtentList extents = request.extents;
        int count = extents.count();
        MemorySegment scratch = request.scratch;
        chunkHeader(scratch, 0, request, Nbd.REPLY_BLOCK_STATUS, 4 + 8 * count);
        long at = Nbd.CHUNK_HEADER_BYTES;
        scratch.set(INT, at, Nbd.CONTEXT_ALLOCATION_ID);
        at += 4;
        for (int i = 0; i < count; i++) {
            scratch.set(INT, at, (int) extents.length(i));
            scratch.set(INT, at + 4, extents.isData(i) ? 0 : Nbd.STATE_HOLE | Nbd.STATE_ZERO);
            at += 8;
        }
        answer(request, scratch.address(), at);
    }

    private static void simpleHeader(MemorySegment memory, long at, NbdRequest request, int error) {
        memory.set(INT, at, Nbd.SIMPLE_REPLY_MAGIC);
        memory.set(INT, at + 4, error);
        memory.set(LONG, at + 8, request.cookie);
    }

    private static void chunkHeader(
            MemorySegment memory, long at, NbdRequest request, int type, int payload) {
        memory.set(INT, at, Nbd.STRUCTURED_REPLY_MAGIC);
        memory.set(SHORT, at + 4, (short) Nbd.REPLY_FLAG_DONE);
        memory.set(SHORT, at + 6, (short) type);
        memory.set(LONG, at + 8, request.cookie);
        memory.set(INT, at + 16, payload);
    }

    private void answer(NbdRequest request, long address, long length) {
        if (broken) {
            finish(request);
            return;
        }
        request.answerAddress = address;
        request.answerLength = length;
        enqueue(request);
        if (!sendScheduled) {
            sendScheduled = true;
            lane.atEndOfTurn(sendAtEndOfTurn);
        }
    }

    private void enqueue(NbdRequest request) {
        request.next = null;
        if (answersFirst == null) {
            answersFirst = request;
        } else {
            answersLast.next = request;
        }
        answersLast = request;
    }

    /** Queues bytes of the negotiation; they have a slot without a request to a disk. */
    private void queueBytes(byte[] bytes) {
        if (bytes.length == 0) {
            return;
        }
        MemorySegment memory = arena.allocate(bytes.length, 8);
        MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, bytes.length);
        NbdRequest slot = new NbdRequest(memory);
        slot.answerAddress = memory.address();
        slot.answerLength = bytes.length;
        inFlight++;
        enqueue(slot);
    }

    private void sendAtEndOfTurn() {
        sendScheduled = false;
        send();
    }

    /** Sends what the socket takes now, and waits for room when it does not take all. */
    private void send() {
        while (answersFirst != null && !broken && !writableOp.isInFlight()) {
            long offered = fillVectors();
            long sent = socket.send(message.address());
            if (sent < 0 && sent != -Libc.EAGAIN) {
                terminate();
                return;
            }
            markSent(Math.max(0, sent));
            if (sent < offered && !broken) {
                lane.io().submit(writableOp);
            }
        }
        finishIfIdle();
    }

    /** {@code struct msghdr}: vectors at 16, their number at 24; a vector is address and length. */
    private long fillVectors() {
        long total = 0;
        int count = 0;
        for (NbdRequest answer = answersFirst;
                answer != null && count < MOST_VECTORS;
                answer = answer.next) {
            long at = MESSAGE_HEADER_BYTES + (long) count * VECTOR_BYTES;
            message.set(ValueLayout.JAVA_LONG, at, answer.answerAddress);
            message.set(ValueLayout.JAVA_LONG, at + 8, answer.answerLength);
            total += answer.answerLength;
            count++;
        }
        message.set(ValueLayout.JAVA_LONG, 16, message.address() + MESSAGE_HEADER_BYTES);
        message.set(ValueLayout.JAVA_LONG, 24, count);
        return total;
    }

    private void markSent(long count) {
        sentBytes += count;
        long rest = count;
        while (rest > 0) {
            NbdRequest answer = answersFirst;
            if (rest < answer.answerLength) {
                answer.answerAddress += rest;
                answer.answerLength -= rest;
                return;
            }
            rest -= answer.answerLength;
            answersFirst = answer.next;
            if (answersFirst == null) {
                answersLast = null;
            }
            finish(answer);
        }
    }

    private void becameWritable(int result) {
        if (result < 0) {
            terminate();
            return;
        }
        send();
        if (export != null && vdi == null && !writableOp.isInFlight() && !broken) {
            move();
        }
    }

    /** The slot and what it holds are free again. */
    private void finish(NbdRequest request) {
        inFlight--;
        if (request.block != null) {
            vdi.requests().release(request.block);
            request.block = null;
        }
        if (request.buffer != null) {
            vdi.requests().releaseMemory(request.buffer);
            request.buffer = null;
        }
        if (vdi != null) {
            request.next = free;
            free = request;
        }
        if (broken) {
            finishIfIdle();
        } else if (waitingForRoom && !takeScheduled) {
            takeScheduled = true;
            lane.atEndOfTurn(takeMore);
        }
    }

    // ---- the end

    /** Takes no more requests; what is in flight is answered, then the socket is closed. */
    private void leave() {
        leaving = true;
        finishIfIdle();
    }

    /** Ends the connection at once; what is in flight is finished and not answered. */
    void terminate() {
        if (closed) {
            return;
        }
        if (broken) {
            finishIfIdle();
            return;
        }
        broken = true;
        socket.shutdown();
        if (incoming != null && !receiveOp.isInFlight()) {
            NbdRequest unfinished = incoming;
            incoming = null;
            finish(unfinished);
        }
        if (!writableOp.isInFlight()) {
            dropAnswers();
        }
        finishIfIdle();
    }

    private void dropAnswers() {
        while (answersFirst != null) {
            NbdRequest answer = answersFirst;
            answersFirst = answer.next;
            finish(answer);
        }
        answersLast = null;
    }

    private void finishIfIdle() {
        if (closed || !(broken || leaving)) {
            return;
        }
        if (broken && !receiveOp.isInFlight() && incoming != null) {
            NbdRequest unfinished = incoming;
            incoming = null;
            finish(unfinished);
            return;
        }
        if (broken && !writableOp.isInFlight() && answersFirst != null) {
            dropAnswers();
            return;
        }
        if (inFlight > 0 || writableOp.isInFlight()) {
            return;
        }
        if (receiveOp.isInFlight()) {
            socket.shutdown(); // ends the receive, which comes back here
            broken = true;
            return;
        }
        closed = true;
        negotiationEnd.cancel();
        stallCheck.cancel();
        negotiated.accept(this);
        if (export != null) {
            export.remove(this);
        }
        socket.close();
    }

    /**
     * A client that takes no answers, or stops within the data of a write, for a while is ended.
     */
    private void checkForStall() {
        if (closed) {
            return;
        }
        boolean sends = incoming == null || receivedBytes != receivedAtLastCheck;
        boolean takes = !writableOp.isInFlight() || sentBytes != sentAtLastCheck;
        if (!sends || !takes) {
            terminate();
        } else {
            sentAtLastCheck = sentBytes;
            receivedAtLastCheck = receivedBytes;
            lane.schedule(stallCheck, STALLED_NANOS);
        }
    }
}
