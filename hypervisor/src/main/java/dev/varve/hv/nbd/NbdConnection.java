// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.Invariant;
import dev.varve.vdi.block.BlockCompletion;
import dev.varve.vdi.block.BlockOp;
import dev.varve.vdi.block.BlockRequest;
import dev.varve.vdi.block.BufferPool;
import dev.varve.vdi.block.ExtentList;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.block.LaneTimer;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.engine.RequestPool;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.io.IoOp;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

import javax.net.ssl.SSLException;

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
    private static final Logger LOG = LoggerFactory.getLogger(NbdConnection.class);
    private static final int BLOCK_BYTES = 12 << 10;
    private static final int LARGE_INPUT_BYTES = 64 << 10;
    private static final int SMALL_RECEIVES_BEFORE_SHRINKING = 8;
    private static final int PROTECTED_BYTES_PER_TURN = 128 << 10;
    private static final int LARGE_WRITE_BYTES = 32 << 10;
    private static final int MOST_IN_FLIGHT = 64;
    private static final int MOST_VECTORS = 64;
    private static final int MESSAGE_HEADER_BYTES = 56;
    private static final int VECTOR_BYTES = 16;
    private static final int MESSAGE_BYTES = MESSAGE_HEADER_BYTES + MOST_VECTORS * VECTOR_BYTES;
    private static final int SCRATCH_AT = MESSAGE_BYTES;
    private static final int CHUNK_BEFORE_EXTENTS = Nbd.CHUNK_HEADER_BYTES + 4;
    private static final int INPUT_AT = SCRATCH_AT + MOST_IN_FLIGHT * NbdRequest.SCRATCH_BYTES;

    static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfLong LONG =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    /**
     * How long a client may take.
     *
     * @param negotiationNanos to choose an export, TLS included
     * @param stalledNanos without a byte, where it has to send or to receive one
     */
    record Patience(long negotiationNanos, long stalledNanos) {
        static final Patience USUAL =
                new Patience(TimeUnit.SECONDS.toNanos(15), TimeUnit.SECONDS.toNanos(60));
    }

    /** Whoever has accepted a connection. */
    public interface Owner {
        /** The client has chosen or left; on the lane that has accepted it, once. */
        void negotiated(NbdConnection connection);

        /** The connection is no more; on the lane that it was on, once. */
        void closed(NbdConnection connection);

        /** TLS did not come about; before {@link #closed}. */
        void tlsFailed(NbdConnection connection);
    }

    private final NbdSocket socket;
    private final NbdHandshake.Exports exports;
    private final NbdSecurity security;
    private final Patience patience;
    private final Owner owner;
    private final MemorySegment block = Libc.allocatePages(BLOCK_BYTES);
    private final MemorySegment message = block.asSlice(0, MESSAGE_BYTES);
    private final IoOp receiveOp = new IoOp(this);
    private final IoOp writableOp = new IoOp(this);
    private final Runnable sendAtEndOfTurn = this::sendAtEndOfTurn;
    private final BlockCompletion blockDone = this::blockDone;
    private final Runnable takeMore = this::takeMore;
    private final Consumer<NbdRequest> answerLater = this::answerLater;
    private final LaneTimer negotiationEnd = new LaneTimer(this::terminate);
    private final LaneTimer stallCheck = new LaneTimer(this::checkForStall);

    private Lane lane;
    private NbdHandshake handshake;
    private boolean negotiating = true;
    private NbdExport export;
    private ActiveVdi vdi;
    private boolean structured;
    private boolean blockStatus;

    /** What tells which blocks have changed, or null. */
    private DirtyContext dirty;

    /** Whether allocation is told; without it, and with blockStatus, only changes are. */
    private boolean allocation;

    /** What the socket has given. */
    private final NbdInput network = new NbdInput(block.asSlice(INPUT_AT, BLOCK_BYTES - INPUT_AT));

    /** What the client has said: the same, or what TLS has made of it. */
    private NbdInput input = network;

    private NbdTls tls;
    private boolean farewellSaid;
    private ByteBuffer[] toEncrypt;

    private NbdRequest incoming;
    private boolean justWroteMuch;
    private boolean filledInput;
    private int smallReceives;
    private boolean waitingForRoom;
    private boolean takeScheduled;
    private boolean takeAfterSending;
    private long receivedBytes;
    private long receivedAtLastCheck;

    private NbdRequest free;
    private int slots;
    private ExtentList spareExtents;
    private int inFlight;
    private int buffersHeld;
    private NbdRequest answersFirst;
    private NbdRequest answersLast;
    private boolean sendScheduled;
    private long sentBytes;
    private long sentAtLastCheck;
    private boolean leaving;
    private boolean broken;
    private boolean closed;

    /**
     * @param exports what the client can ask for
     * @param security how it is protected
     * @param owner told how the connection goes on
     */
    public NbdConnection(
            NbdSocket socket, NbdHandshake.Exports exports, NbdSecurity security, Owner owner) {
        this(socket, exports, security, Patience.USUAL, owner);
    }

    NbdConnection(
            NbdSocket socket,
            NbdHandshake.Exports exports,
            NbdSecurity security,
            Patience patience,
            Owner owner) {
        this.socket = socket;
        this.exports = exports;
        this.security = security;
        this.patience = patience;
        this.owner = owner;
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
        handshake = new NbdHandshake(exports, security.tls());
        queueBytes(handshake.takeOutput());
        lane.schedule(negotiationEnd, patience.negotiationNanos());
        send();
        receive();
    }

    /** Where memory for a while comes from; null, the system, while there is no disk. */
    private BufferPool pool() {
        return vdi == null ? null : lane.buffers();
    }

    // ---- input

    private void receive() {
        if (broken || leaving || receiveOp.isInFlight()) {
            return;
        }
        if (incoming != null && tls == null) {
            int rest = incoming.length - incoming.received;
            receiveOp.address =
                    incoming.buffer.address() + BufferPool.HEADROOM_BYTES + incoming.received;
            receiveOp.length = rest;
        } else {
            network.compact();
            fitInput();
            boolean headerOnly =
                    tls == null && justWroteMuch && network.available() < Nbd.REQUEST_BYTES;
            receiveOp.address = network.endAddress();
            receiveOp.length =
                    headerOnly ? Nbd.REQUEST_BYTES - network.available() : network.room();
        }
        lane.io().submit(receiveOp);
        if (isWithinMessage()) {
            watch();
        }
    }

    /** Whether the client has begun to say something and has to go on. */
    private boolean isWithinMessage() {
        return incoming != null || network.available() > 0 || input.available() > 0;
    }

    /**
     * Much room for a client that fills it, little for one that does not: what is lent to it cannot
     * be taken back while it is waited for what it says next, which may be for ever.
     */
    private void fitInput() {
        boolean quiet = !isWithinMessage();
        if (tls != null) {
            if (network.room() == 0 || filledInput) {
                network.grow(pool(), LARGE_INPUT_BYTES);
            } else if (quiet) {
                network.shrink();
            }
            input.shrink();
        } else if (filledInput && vdi != null) {
            network.tryGrow(pool(), LARGE_INPUT_BYTES);
        } else if (quiet && smallReceives >= SMALL_RECEIVES_BEFORE_SHRINKING) {
            network.shrink();
        }
    }

    private void received(int count) {
        if (count <= 0 || broken) {
            terminate();
            return;
        }
        receivedBytes += count;
        if (incoming != null && tls == null) {
            incoming.received += count;
        } else {
            filledInput = count == receiveOp.length && count > Nbd.REQUEST_BYTES;
            smallReceives = count < BLOCK_BYTES - INPUT_AT ? smallReceives + 1 : 0;
            network.added(count);
        }
        takeMore();
    }

    /** Takes what has come, then asks the socket for more. */
    private void takeMore() {
        waitingForRoom = false;
        takeScheduled = false;
        if (broken || closed) {
            finishIfIdle();
            return;
        }
        boolean more = consume();
        while (more && tls != null) {
            NbdTls.Step step = advance();
            if (step != NbdTls.Step.DATA) {
                more = step == NbdTls.Step.NEEDS_INPUT;
                break;
            }
            more = consume();
        }
        if (more) {
            receive();
        }
    }

    /** Takes what the client has said; false when more of it would be of no use now. */
    private boolean consume() {
        if (vdi == null) {
            return negotiate();
        }
        while (!leaving && !broken) {
            if (incoming != null) {
                if (!takeData()) {
                    return true;
                }
            } else if (input.available() < Nbd.REQUEST_BYTES) {
                return true;
            } else if (!takeRequest()) {
                return false;
            }
        }
        return false;
    }

    private boolean negotiate() {
        if (tls != null && !tls.isEstablished()) {
            return true;
        }
        if (handshake.state() == NbdHandshake.State.OPEN && input.available() > 0) {
            ByteBuffer in = input.toRead();
            int before = in.position();
            handshake.accept(in);
            input.taken(in.position() - before);
            queueBytes(handshake.takeOutput());
            send();
        }
        if (broken) {
            return false;
        }
        switch (handshake.state()) {
            case OPEN -> {
                return true;
            }
            case START_TLS, DONE -> proceed();
            case CLOSED -> leave();
        }
        return false;
    }

    /** Goes on once what was said so far has left. */
    private void proceed() {
        if (!isAllSent() || (tls != null && tls.isWorking())) {
            takeAfterSending = true;
        } else if (handshake.state() == NbdHandshake.State.START_TLS) {
            startTls();
        } else {
            move();
        }
    }

    private boolean isAllSent() {
        return answersFirst == null
                && !writableOp.isInFlight()
                && (tls == null || !tls.hasOutput());
    }

    // ---- TLS

    /**
     * The client has to wait for the answer before it begins. What has come behind its request was
     * said without protection, perhaps by somebody else, and must not pass for what it says later.
     */
    private void startTls() {
        try {
            if (network.available() > 0) {
                throw new SSLException("bytes without protection follow the request for TLS");
            }
            tls = new NbdTls(security.context().orElseThrow(), security.workers());
        } catch (SSLException e) {
            LOG.debug("TLS does not begin", e);
            owner.tlsFailed(this);
            terminate();
            return;
        }
        input = new NbdInput(null);
        toEncrypt = new ByteBuffer[MOST_VECTORS];
        handshake.secured();
        receive();
    }

    /** Makes a step of TLS, and sends what that has to say. */
    private NbdTls.Step advance() {
        try {
            NbdTls.Step step = decrypt();
            if (tls.hasOutput()) {
                send();
            }
            if (broken) {
                return NbdTls.Step.WAITS;
            }
            if (step == NbdTls.Step.NEEDS_ROOM && !isAllSent()) {
                takeAfterSending = true;
            } else if (step == NbdTls.Step.NEEDS_ROOM) {
                return NbdTls.Step.DATA; // there is room again
            } else if (step == NbdTls.Step.CLOSED) {
                clientCloses();
            }
            return step;
        } catch (SSLException e) {
            tlsFails(e);
            return NbdTls.Step.WAITS;
        }
    }

    /** The data of a large write goes right to where it belongs. */
    private NbdTls.Step decrypt() throws SSLException {
        NbdRequest write = incoming;
        int rest = write == null ? 0 : write.length - write.received;
        if (rest < NbdTls.RECORD_BYTES) {
            return tls.advance(network, input, pool(), lane, takeMore);
        }
        int at = BufferPool.HEADROOM_BYTES + write.received;
        ByteBuffer target = write.buffer.asSlice(at, rest).asByteBuffer();
        NbdTls.Step step = tls.advance(network, target, pool(), lane, takeMore);
        write.received += target.position();
        return step;
    }

    /** A goodbye in the middle of a message is no different from none. */
    private void clientCloses() {
        if (isWithinMessage() || !tls.isEstablished()) {
            terminate();
        } else {
            leave();
        }
    }

    /** Tells the client why, as far as the socket takes that at once, and ends the connection. */
    private void tlsFails(Exception reason) {
        LOG.debug("TLS fails", reason);
        try {
            tls.close(pool());
            if (tls.hasOutput() && !writableOp.isInFlight()) {
                setVector(tls.outputAddress(), tls.outputLength());
                socket.send(message.address());
            }
        } catch (SSLException e) {
            LOG.debug("there is no goodbye", e);
        }
        terminate();
    }

    // ---- moving

    /**
     * Goes to the lane of the disk. Until it is there, it belongs to neither list and to this lane.
     */
    private void move() {
        export = handshake.export();
        lane.forget(negotiationEnd);
        endOfNegotiation();
        Lane next = export.vdi().lane();
        if (next == lane) {
            arrive();
        } else {
            lane = next;
            next.execute(this::arrive);
        }
    }

    private void endOfNegotiation() {
        if (negotiating) {
            negotiating = false;
            owner.negotiated(this);
        }
    }

    private void arrive() {
        if (broken) {
            finishIfIdle();
            return;
        }
        structured = handshake.isStructured();
        allocation = handshake.hasAllocationContext();
        dirty =
                handshake
                        .dirtySnapshot()
                        .map(snapshot -> new DirtyContext(snapshot, export.bitmaps()))
                        .orElse(null);
        blockStatus = allocation || dirty != null;
        handshake = null;
        vdi = export.vdi();
        if (export.add(this)) {
            takeMore();
        } else {
            terminate();
        }
    }

    // ---- requests

    /** Takes one request from the input; false when there is no slot or memory for it now. */
    private boolean takeRequest() {
        MemorySegment from = input.memory();
        int at = input.start();
        if (from.get(INT, at) != Nbd.REQUEST_MAGIC) {
            terminate();
            return false;
        }
        int command = Short.toUnsignedInt(from.get(SHORT, at + 6));
        int length = from.get(INT, at + 24);
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
        int dataBytes = carriesData ? length : 0;
        if (command == Nbd.CMD_BLOCK_STATUS && blockStatus) {
            dataBytes = NbdRequest.EXTENTS_BYTES;
        }
        NbdRequest request = takeSlot(dataBytes);
        if (request == null) {
            return false;
        }
        request.flags = Short.toUnsignedInt(from.get(SHORT, at + 4));
        request.command = command;
        request.cookie = from.get(LONG, at + 8);
        request.offset = from.get(LONG, at + 16);
        request.length = length;
        request.received = 0;
        input.taken(Nbd.REQUEST_BYTES);
        if (command == Nbd.CMD_WRITE) {
            justWroteMuch = length >= LARGE_WRITE_BYTES;
            incoming = request;
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
            buffer = memoryFor(dataBytes);
            if (buffer == null) {
                vdi.requests().putBack(block);
                waitingForRoom = true;
                lane.buffers().whenReleased(takeMore);
                return null;
            }
        }
        NbdRequest request = freeSlot();
        request.block = block;
        request.buffer = buffer;
        inFlight++;
        return request;
    }

    /**
     * Memory for the data of a request, or null for now. A client without any gets a little in any
     * case: others, who keep theirs because they take no answers, do not keep it from the disk.
     */
    private MemorySegment memoryFor(int dataBytes) {
        MemorySegment buffer = vdi.requests().acquireMemory(dataBytes);
        if (buffer == null && buffersHeld == 0 && dataBytes <= RequestPool.ALWAYS_BYTES) {
            buffer = vdi.requests().acquireMemoryNow(dataBytes);
        }
        buffersHeld += buffer == null ? 0 : 1;
        return buffer;
    }

    /** A slot of the connection; there are as many as requests can be in flight. */
    private NbdRequest freeSlot() {
        NbdRequest slot = free;
        if (slot != null) {
            free = slot.next;
            slot.next = null;
            return slot;
        }
        Invariant.check(slots < MOST_IN_FLIGHT, "there is a slot for each request");
        long at = SCRATCH_AT + (long) slots++ * NbdRequest.SCRATCH_BYTES;
        return new NbdRequest(block.asSlice(at, NbdRequest.SCRATCH_BYTES), true);
    }

    private void waitForRoom() {
        if (!waitingForRoom) {
            waitingForRoom = true;
            vdi.requests().whenFree(takeMore);
        }
    }

    /**
     * Copies what has come of a write's data; the rest goes straight into its memory. False when
     * there is no more of it.
     */
    private boolean takeData() {
        NbdRequest request = incoming;
        int there = Math.min(request.length - request.received, input.available());
        if (there > 0) {
            long to = (long) BufferPool.HEADROOM_BYTES + request.received;
            MemorySegment.copy(input.memory(), input.start(), request.buffer, to, there);
            input.taken(there);
            request.received += there;
        }
        boolean complete = request.received == request.length;
        if (complete) {
            incoming = null;
            submit(request);
        }
        return complete;
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
        if (block.op == BlockOp.EXTENTS && !allocation) {
            // The disk does not know what has changed.
            block.complete(block.length > 0 ? IoStatus.OK : IoStatus.INVALID);
        } else {
            vdi.device().submit(block);
        }
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
        request.block.data(op == BlockOp.EXTENTS ? null : buffer, BufferPool.HEADROOM_BYTES);
        request.block.extents = op == BlockOp.EXTENTS ? extents(request) : null;
        return 0;
    }

    /** One list is kept for the next request; more are only there while they are needed. */
    private ExtentList extents(NbdRequest request) {
        ExtentList extents =
                spareExtents != null ? spareExtents : new ExtentList(NbdRequest.EXTENTS);
        spareExtents = null;
        extents.clear(request.has(Nbd.CMD_FLAG_REQ_ONE) ? 1 : NbdRequest.EXTENTS);
        request.extents = extents;
        return extents;
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
        block.extents = null;
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

    /** One chunk for each context, one behind the other. */
    private void answerExtents(NbdRequest request) {
        if (dirty != null && !dirty.isKnown()) {
            dirty.await(request, lane, answerLater);
            return;
        }
        if (dirty != null && dirty.hasFailed()) {
            answerError(request, Nbd.EIO);
            return;
        }
        MemorySegment buffer = request.buffer;
        int start = BufferPool.HEADROOM_BYTES - CHUNK_BEFORE_EXTENTS;
        long at = allocation ? allocationChunk(request, start, dirty == null) : start;
        if (dirty != null) {
            at = dirtyChunk(request, at);
        }
        giveBackExtents(request);
        answer(request, buffer.address() + start, at - start);
    }

    private long allocationChunk(NbdRequest request, int start, boolean last) {
        ExtentList extents = request.extents;
        MemorySegment buffer = request.buffer;
        int count = extents.count();
        chunkHeader(buffer, start, request, Nbd.REPLY_BLOCK_STATUS, 4 + 8 * count);
        buffer.set(SHORT, start + 4L, (short) (last ? Nbd.REPLY_FLAG_DONE : 0));
        long at = (long) start + CHUNK_BEFORE_EXTENTS;
        buffer.set(INT, at - 4, Nbd.CONTEXT_ALLOCATION_ID);
        for (int i = 0; i < count; i++) {
            buffer.set(INT, at, (int) extents.length(i));
            buffer.set(INT, at + 4, extents.isData(i) ? 0 : Nbd.STATE_HOLE | Nbd.STATE_ZERO);
            at += 8;
        }
        return at;
    }

    private long dirtyChunk(NbdRequest request, long start) {
        long at = start + CHUNK_BEFORE_EXTENTS;
        int most = request.has(Nbd.CMD_FLAG_REQ_ONE) ? 1 : NbdRequest.EXTENTS;
        long length = Integer.toUnsignedLong(request.length);
        long end = dirty.write(request.buffer, at, request.offset, length, most);
        int payload = (int) (4 + end - at);
        chunkHeader(request.buffer, start, request, Nbd.REPLY_BLOCK_STATUS, payload);
        request.buffer.set(INT, at - 4, DirtyContext.ID);
        return end;
    }

    private void answerLater(NbdRequest request) {
        if (broken) {
            finish(request);
        } else {
            answerExtents(request);
        }
    }

    private void giveBackExtents(NbdRequest request) {
        if (request.extents != null) {
            spareExtents = request.extents;
            request.extents = null;
        }
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
        boolean fits =
                bytes.length <= NbdRequest.SCRATCH_BYTES
                        && (free != null || slots < MOST_IN_FLIGHT);
        NbdRequest slot =
                fits ? freeSlot() : new NbdRequest(Arena.ofAuto().allocate(bytes.length, 8), false);
        MemorySegment.copy(bytes, 0, slot.scratch, ValueLayout.JAVA_BYTE, 0, bytes.length);
        slot.answerAddress = slot.scratch.address();
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
        if (tls != null) {
            sendProtected();
            return;
        }
        while (answersFirst != null && !broken && !writableOp.isInFlight()) {
            long offered = fillVectors();
            long sent = socket.send(message.address());
            if (sent < 0 && sent != -Libc.EAGAIN) {
                terminate();
                return;
            }
            markSent(Math.max(0, sent));
            if (sent < offered && !broken) {
                awaitWritable();
            }
        }
        finishIfIdle();
    }

    private void awaitWritable() {
        lane.io().submit(writableOp);
        watch();
    }

    /**
     * Encrypts and sends what the socket takes, but not more in one turn than leaves others their
     * share of the lane.
     */
    private void sendProtected() {
        int turn = 0;
        while (!broken && !writableOp.isInFlight() && (tls.hasOutput() || encrypt())) {
            int offered = tls.outputLength();
            setVector(tls.outputAddress(), offered);
            long sent = socket.send(message.address());
            if (sent < 0 && sent != -Libc.EAGAIN) {
                terminate();
                return;
            }
            int taken = (int) Math.max(0, sent);
            sentBytes += taken;
            turn += taken;
            tls.sent(taken);
            boolean enough = turn >= PROTECTED_BYTES_PER_TURN && answersFirst != null;
            if (taken < offered || enough) {
                awaitWritable();
            }
        }
        tls.shrink();
        finishIfIdle();
    }

    /** Encrypts answers as long as there is room; false when nothing has come of it. */
    private boolean encrypt() {
        try {
            while (answersFirst != null && tls.hasRoom(pool())) {
                int count = 0;
                for (NbdRequest answer = answersFirst;
                        answer != null && count < MOST_VECTORS;
                        answer = answer.next) {
                    toEncrypt[count++] = answer.answerBytes();
                }
                int consumed = tls.encrypt(toEncrypt, count);
                Arrays.fill(toEncrypt, 0, count, null);
                if (consumed == 0) {
                    break;
                }
                leftQueue(consumed);
            }
            return !broken && tls.hasOutput();
        } catch (SSLException e) {
            LOG.debug("an answer cannot be encrypted", e);
            terminate();
            return false;
        }
    }

    private void setVector(long address, long length) {
        message.set(ValueLayout.JAVA_LONG, MESSAGE_HEADER_BYTES, address);
        message.set(ValueLayout.JAVA_LONG, MESSAGE_HEADER_BYTES + 8L, length);
        message.set(ValueLayout.JAVA_LONG, 16, message.address() + MESSAGE_HEADER_BYTES);
        message.set(ValueLayout.JAVA_LONG, 24, 1);
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
        leftQueue(count);
    }

    /** So much of the answers has left the queue. */
    private void leftQueue(long count) {
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
        if (takeAfterSending && isAllSent() && !broken) {
            takeAfterSending = false;
            takeMore();
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
            buffersHeld--;
        }
        giveBackExtents(request);
        if (request.reusable) {
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

    /** Who has accepted it; any thread may ask. */
    Owner owner() {
        return owner;
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
        if (tls != null) {
            tls.abandon();
            if (!tls.isEstablished()) {
                owner.tlsFailed(this);
            }
        }
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
        if (inFlight > 0 || writableOp.isInFlight() || (tls != null && tls.isWorking())) {
            return;
        }
        if (!broken && tls != null && !farewellSaid) {
            sayFarewell();
            return;
        }
        if (receiveOp.isInFlight()) {
            socket.shutdown(); // ends the receive, which comes back here
            broken = true;
            return;
        }
        close();
    }

    /** The goodbye of TLS is the last that is sent. */
    private void sayFarewell() {
        farewellSaid = true;
        try {
            tls.close(pool());
        } catch (SSLException e) {
            LOG.debug("there is no goodbye", e);
        }
        send();
    }

    private void close() {
        closed = true;
        lane.forget(negotiationEnd);
        lane.forget(stallCheck);
        endOfNegotiation();
        if (export != null) {
            export.remove(this);
        }
        if (tls != null) {
            tls.giveBack();
        }
        input.giveBack();
        network.giveBack();
        Libc.free(block);
        socket.close();
        owner.closed(this);
    }

    /** Looks after a while whether the client goes on; nothing looks while it has nothing to do. */
    private void watch() {
        if (vdi != null && !stallCheck.isScheduled()) {
            noteProgress();
            lane.schedule(stallCheck, patience.stalledNanos());
        }
    }

    private void noteProgress() {
        sentAtLastCheck = sentBytes;
        receivedAtLastCheck = receivedBytes;
    }

    /** A client that takes no answers, or stops within a request, for a while is ended. */
    private void checkForStall() {
        if (closed) {
            return;
        }
        boolean hasToSend = receiveOp.isInFlight() && isWithinMessage();
        boolean hasToTake = writableOp.isInFlight();
        boolean stalls =
                (hasToSend && receivedBytes == receivedAtLastCheck)
                        || (hasToTake && sentBytes == sentAtLastCheck);
        if (stalls) {
            terminate();
        } else if (hasToSend || hasToTake) {
            noteProgress();
            lane.schedule(stallCheck, patience.stalledNanos());
        }
    }
}
