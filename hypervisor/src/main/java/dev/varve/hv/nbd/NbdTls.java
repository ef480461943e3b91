// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.Invariant;
import dev.varve.vdi.block.BufferPool;
import dev.varve.vdi.engine.Lane;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Executor;

import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLException;

/**
 * The TLS of one connection: the JDK's engine with the memory of what it has encrypted and the
 * socket has not taken.
 *
 * <p>Encryption runs on the lane, so a request does not change threads. What takes long in a
 * handshake, the signatures, runs on a worker; meanwhile the engine is left alone.
 *
 * <p><b>Invariants:</b> nothing is decrypted for the client's use, and nothing encrypted for it,
 * before the handshake is complete. There is one handshake: a client that wants another in TLS 1.2
 * is ended. (TLS 1.3 has none; changes of its keys are part of the stream.)
 *
 * <p><b>Threads:</b> the lane's only.
 */
final class NbdTls {
    /** What has to happen next. */
    enum Step {
        /** Data was decrypted. */
        DATA,
        /** More has to come from the client. */
        NEEDS_INPUT,
        /** What is output has to leave first. */
        NEEDS_ROOM,
        /** A worker computes, and tells when it is done. */
        WAITS,
        /** The client says that nothing more comes. */
        CLOSED
    }

    /** Room for the largest record. */
    static final int RECORD_BYTES = 17 << 10;

    /** Change of cipher, alert, handshake, data, in this order. */
    private static final int FIRST_RECORD_TYPE = 20;

    private static final int LAST_RECORD_TYPE = 23;
    private static final int PLAIN_BYTES = 32 << 10;
    private static final int OUTPUT_BYTES = 64 << 10;
    private static final String[] PROTOCOLS = {"TLSv1.3", "TLSv1.2"};
    private static final ByteBuffer[] NOTHING = {ByteBuffer.allocate(0)};

    private final SSLEngine engine;
    private final Executor workers;
    private final LentMemory output = new LentMemory();
    private ByteBuffer outputBytes;
    private int outputStart;
    private int outputEnd;
    private boolean established;
    private boolean working;
    private volatile boolean abandoned;
    private volatile Throwable workerFailure;

    /**
     * Begins a handshake as the server.
     *
     * @param workers where its computations run
     */
    NbdTls(SSLContext context, Executor workers) throws SSLException {
        this.workers = workers;
        engine = context.createSSLEngine();
        engine.setUseClientMode(false);
        List<String> supported = Arrays.asList(engine.getSupportedProtocols());
        engine.setEnabledProtocols(
                Arrays.stream(PROTOCOLS).filter(supported::contains).toArray(String[]::new));
        engine.beginHandshake();
    }

    /** Whether the handshake is complete. */
    boolean isEstablished() {
        return established;
    }

    /** Whether a worker has the engine. */
    boolean isWorking() {
        return working;
    }

    /** The result of the handshake is of no use any more; a worker that has not begun need not. */
    void abandon() {
        abandoned = true;
    }

    // ---- what comes

    /**
     * Goes on as far as it can: decrypts one piece, or makes a step of the handshake.
     *
     * @param network what has come
     * @param plain where decrypted data goes
     * @param pool where memory comes from, or null for the system
     * @param lane the lane of the caller, where {@code workDone} is called after {@code WAITS}
     */
    Step advance(NbdInput network, NbdInput plain, BufferPool pool, Lane lane, Runnable workDone)
            throws SSLException {
        plain.grow(pool, PLAIN_BYTES);
        plain.compact();
        Step step = null;
        while (step == null) {
            step = ready(pool, lane, workDone);
            if (step == null) {
                SSLEngineResult result = unwrap(network, plain.toFill());
                plain.added(result.bytesProduced());
                step = after(result);
            }
        }
        return step;
    }

    /**
     * Decrypts one piece of data right to where it belongs.
     *
     * @param target has room for at least {@link #RECORD_BYTES}; its position is moved
     */
    Step advance(NbdInput network, ByteBuffer target, BufferPool pool, Lane lane, Runnable workDone)
            throws SSLException {
        Step step = null;
        while (step == null) {
            step = ready(pool, lane, workDone);
            if (step == null) {
                step = after(unwrap(network, target));
            }
        }
        return step;
    }

    /** What the engine thinks of a client's bytes must not become trouble of the lane. */
    private SSLEngineResult unwrap(NbdInput network, ByteBuffer target) throws SSLException {
        ByteBuffer source = network.toRead();
        if (source.hasRemaining() && !isRecord(source.get(source.position()))) {
            throw new SSLException("the client's bytes are no TLS");
        }
        try {
            SSLEngineResult result = engine.unwrap(source, target);
            network.taken(result.bytesConsumed());
            return result;
        } catch (RuntimeException e) {
            throw new SSLException("the client's bytes cannot be decrypted", e);
        }
    }

    /**
     * The engine looks at the first byte of the first record only, and would wait for as many bytes
     * as other nonsense seems to announce.
     */
    private static boolean isRecord(byte type) {
        return type >= FIRST_RECORD_TYPE && type <= LAST_RECORD_TYPE;
    }

    /** Does what the engine wants before it takes input; null when that is nothing. */
    private Step ready(BufferPool pool, Lane lane, Runnable workDone) throws SSLException {
        if (working) {
            return Step.WAITS;
        }
        throwWorkerFailure();
        HandshakeStatus status = engine.getHandshakeStatus();
        while (status == HandshakeStatus.NEED_WRAP) {
            if (!hasRoom(pool)) {
                return Step.NEEDS_ROOM;
            }
            SSLEngineResult result = wrap(NOTHING, 1);
            if (result.bytesProduced() == 0) {
                break;
            }
            status = engine.getHandshakeStatus();
        }
        if (status == HandshakeStatus.NEED_TASK) {
            refuseRenegotiation();
            compute(lane, workDone);
            return Step.WAITS;
        }
        return null;
    }

    private void throwWorkerFailure() throws SSLException {
        Throwable thrown = workerFailure;
        if (thrown != null) {
            workerFailure = null;
            throw new SSLException("the computations of a handshake failed", thrown);
        }
    }

    /** In TLS 1.2 a client can ask for handshake after handshake, which costs us more than it. */
    private void refuseRenegotiation() throws SSLException {
        if (established && engine.getSession().getProtocol().equals("TLSv1.2")) {
            throw new SSLException("the client asks for another handshake");
        }
    }

    private void compute(Lane lane, Runnable workDone) {
        workers.execute(
                () -> {
                    try {
                        computeNow();
                    } finally {
                        lane.execute(
                                () -> {
                                    working = false;
                                    workDone.run();
                                });
                    }
                });
        working = true;
    }

    private void computeNow() {
        try {
            Runnable task = abandoned ? null : engine.getDelegatedTask();
            while (task != null) {
                task.run();
                task = engine.getDelegatedTask();
            }
        } catch (RuntimeException | Error e) {
            workerFailure = e;
        }
    }

    /** What follows from a result; null to go on. */
    private Step after(SSLEngineResult result) throws SSLException {
        noteHandshake(result);
        if (result.bytesProduced() > 0) {
            if (!established) {
                throw new SSLException("data comes before the handshake is complete");
            }
            return Step.DATA;
        }
        return switch (result.getStatus()) {
            case CLOSED -> Step.CLOSED;
            case BUFFER_UNDERFLOW -> Step.NEEDS_INPUT;
            case BUFFER_OVERFLOW -> throw new SSLException("a record is longer than it may be");
            case OK -> result.bytesConsumed() > 0 || asks(result) ? null : Step.NEEDS_INPUT;
        };
    }

    private static boolean asks(SSLEngineResult result) {
        HandshakeStatus status = result.getHandshakeStatus();
        return status == HandshakeStatus.NEED_TASK || status == HandshakeStatus.NEED_WRAP;
    }

    private void noteHandshake(SSLEngineResult result) {
        HandshakeStatus status = result.getHandshakeStatus();
        boolean over = status == HandshakeStatus.NOT_HANDSHAKING;
        boolean fine = result.getStatus() == SSLEngineResult.Status.OK;
        established |= status == HandshakeStatus.FINISHED || (over && fine);
    }

    // ---- what leaves

    boolean hasOutput() {
        return outputEnd > outputStart;
    }

    long outputAddress() {
        return output.memory().address() + outputStart;
    }

    int outputLength() {
        return outputEnd - outputStart;
    }

    /** The socket has taken so much of the output. */
    void sent(int count) {
        outputStart += count;
        if (outputStart == outputEnd) {
            outputStart = 0;
            outputEnd = 0;
        }
    }

    /** Whether another record fits; takes memory when there is none. */
    boolean hasRoom(BufferPool pool) {
        if (output.memory() == null) {
            MemorySegment memory = output.take(pool, OUTPUT_BYTES);
            outputBytes = memory.asByteBuffer();
        }
        return output.memory().byteSize() - outputEnd >= RECORD_BYTES;
    }

    /**
     * Encrypts one record of data.
     *
     * @return how much of the data is in it
     */
    int encrypt(ByteBuffer[] data, int count) throws SSLException {
        Invariant.check(established, "nothing is said before the handshake is complete");
        int consumed = 0;
        SSLEngineResult result;
        do { // a record of the handshake's own may have to go first
            result = wrap(data, count);
            consumed += result.bytesConsumed();
        } while (consumed == 0 && result.bytesProduced() > 0 && fits());
        return consumed;
    }

    private boolean fits() {
        return output.memory().byteSize() - outputEnd >= RECORD_BYTES;
    }

    private SSLEngineResult wrap(ByteBuffer[] data, int count) throws SSLException {
        SSLEngineResult result =
                engine.wrap(data, 0, count, outputBytes.clear().position(outputEnd));
        outputEnd += result.bytesProduced();
        noteHandshake(result);
        return result;
    }

    /**
     * Nothing more will be said: the output ends with the goodbye of TLS, or with the reason why
     * the engine has failed.
     */
    void close(BufferPool pool) throws SSLException {
        if (working) {
            return;
        }
        engine.closeOutbound();
        SSLEngineResult result = null;
        while (!engine.isOutboundDone()
                && hasRoom(pool)
                && (result == null || result.bytesProduced() > 0)) {
            result = wrap(NOTHING, 1);
        }
    }

    /** Gives the memory of the output back when it is empty. */
    void shrink() {
        if (!hasOutput()) {
            output.giveBack();
            outputBytes = null;
        }
    }

    /** Gives all memory back. */
    void giveBack() {
        outputStart = 0;
        outputEnd = 0;
        shrink();
    }
}
