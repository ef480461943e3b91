// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.fuzz;

import dev.varve.hv.nbd.NbdSocket;
import dev.varve.sim.SimHost;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.io.IoOp;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;

/**
 * The other side of a connection: sends bytes that are given, in pieces of any size, takes the
 * answers in pieces of any size, and hangs up a while after the last byte.
 */
final class ScriptedClient implements NbdSocket {
    private static final int NUMBER = 7;
    private static final int BROKEN_PIPE = 32;
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final SimHost host;
    private final RandomGenerator random;
    private final byte[] input;
    private final ByteArrayOutputStream answers = new ByteArrayOutputStream();
    private IoOp receiving;
    private int position;
    private boolean shut;
    private int closings;

    ScriptedClient(SimHost host, RandomGenerator random, byte[] input) {
        this.host = host;
        this.random = random;
        this.input = input;
        host.backend().connect(NUMBER, this::submitted);
    }

    byte[] answers() {
        return answers.toByteArray();
    }

    boolean isClosed() {
        return closings > 0;
    }

    private void submitted(IoOp op) {
        if (closings > 0) {
            throw new AssertionError("an operation on a socket that was closed");
        }
        if (op.kind == IoOp.Kind.RECEIVE) {
            receiving = op;
            boolean atEnd = position == input.length && !shut;
            host.backend().after(atEnd ? PATIENCE_NANOS : random.nextLong(50_000), () -> give(op));
        } else {
            host.backend().after(random.nextLong(50_000), () -> op.complete(0));
        }
    }

    private void give(IoOp op) {
        if (receiving != op) {
            return; // it was ended by a shutdown
        }
        receiving = null;
        int there = shut ? 0 : input.length - position;
        int count = (int) Math.min(op.length, Math.min(there, piece()));
        MemorySegment.copy(
                input, position, memory(op.address, count), ValueLayout.JAVA_BYTE, 0, count);
        position += count;
        op.complete(count);
    }

    private int piece() {
        return random.nextInt(3) == 0 ? 1 + random.nextInt(64) : 1 + random.nextInt(64 << 10);
    }

    @SuppressWarnings("restricted") // the address comes from the server, as the system would get it
    private static MemorySegment memory(long address, long length) {
        return MemorySegment.ofAddress(address).reinterpret(length);
    }

    @Override
    public int number() {
        return NUMBER;
    }

    @Override
    public long send(long message) {
        if (shut) {
            return -BROKEN_PIPE;
        }
        if (random.nextInt(8) == 0) {
            return -Libc.EAGAIN;
        }
        MemorySegment header = memory(message, 56);
        long vectors = header.get(ValueLayout.JAVA_LONG, 16);
        long count = header.get(ValueLayout.JAVA_LONG, 24);
        long room = piece();
        long taken = 0;
        for (long i = 0; i < count && taken < room; i++) {
            MemorySegment vector = memory(vectors + 16 * i, 16);
            long length = vector.get(ValueLayout.JAVA_LONG, 8);
            long part = Math.min(length, room - taken);
            MemorySegment data = memory(vector.get(ValueLayout.JAVA_LONG, 0), part);
            answers.writeBytes(data.toArray(ValueLayout.JAVA_BYTE));
            taken += part;
        }
        return taken;
    }

    @Override
    public void shutdown() {
        shut = true;
        IoOp op = receiving;
        if (op != null) {
            host.backend().after(0, () -> give(op));
        }
    }

    @Override
    public void close() {
        closings++;
        if (closings > 1) {
            throw new AssertionError("a socket is closed twice");
        }
    }
}
