// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.io;

import dev.varve.vdi.Invariant;
import dev.varve.vdi.ffi.IoUring;
import dev.varve.vdi.ffi.Libc;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;

/**
 * Files, sockets and wake-ups in one io_uring, so that a lane sleeps in a single system call
 * whatever it waits for.
 *
 * <p>A wake-up is a read of an eventfd that is always armed in the ring; {@link #wake()} writes it
 * only when the lane has said that it sleeps.
 */
public final class UringBackend implements IoBackend {
    private static final int ENTRIES = 256;
    private static final long WAKE_TOKEN = -1;

    /**
     * A lane that runs out of work submits and sleeps in one system call, so a poll leaves
     * submitting to the wait that follows, unless the lane has had other work for this many turns.
     */
    private static final int POLLS_BEFORE_SUBMIT = 2;

    private final IoUring ring;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment wakeValue = arena.allocate(8, 8);
    private final MemorySegment one = arena.allocate(8, 8);
    private final int eventFd;
    private final AtomicBoolean sleeping = new AtomicBoolean();
    private IoOp[] slots = new IoOp[ENTRIES];
    private int[] freeSlots = new int[ENTRIES];
    private int freeCount;
    private int inFlight;
    private int pollsSinceSubmit;
    private boolean closed;

    private UringBackend(IoUring ring) {
        this.ring = ring;
        this.eventFd = Libc.eventfd();
        Invariant.check(eventFd >= 0, "an eventfd can be made");
        one.set(java.lang.foreign.ValueLayout.JAVA_LONG, 0, 1);
        for (int i = 0; i < slots.length; i++) {
            freeSlots[i] = slots.length - 1 - i;
        }
        freeCount = slots.length;
        armWake();
    }

    /**
     * A backend for the calling thread, or null when the system offers no suitable io_uring.
     *
     * <p><b>Threads:</b> must be called on the thread that will use it.
     */
    public static UringBackend open() {
        IoUring ring = IoUring.open(ENTRIES);
        return ring == null ? null : new UringBackend(ring);
    }

    @Override
    public String name() {
        return "io_uring";
    }

    @Override
    public void submit(IoOp op) {
        op.begin();
        op.slot = takeSlot(op);
        inFlight++;
        switch (op.kind) {
            case READ -> onFile(op, IoUring.OP_READ, op.offset, op.address, (int) op.length, 0);
            case WRITE -> onFile(op, IoUring.OP_WRITE, op.offset, op.address, (int) op.length, 0);
            case WRITE_DURABLE ->
                    onFile(
                            op,
                            IoUring.OP_WRITE,
                            op.offset,
                            op.address,
                            (int) op.length,
                            IoUring.RWF_DSYNC);
            case SYNC -> onFile(op, IoUring.OP_FSYNC, 0, 0, 0, IoUring.FSYNC_DATASYNC);
            case PUNCH_HOLE -> allocate(op, Libc.FALLOC_FL_PUNCH_HOLE | Libc.FALLOC_FL_KEEP_SIZE);
            case ZERO_RANGE -> allocate(op, Libc.FALLOC_FL_ZERO_RANGE | Libc.FALLOC_FL_KEEP_SIZE);
            case RECEIVE -> onSocket(op, IoUring.OP_RECV, op.address, (int) op.length, 0);
            case POLL_READABLE -> onSocket(op, IoUring.OP_POLL_ADD, 0, 0, Libc.POLLIN);
            case POLL_WRITABLE -> onSocket(op, IoUring.OP_POLL_ADD, 0, 0, Libc.POLLOUT);
        }
    }

    private void onFile(IoOp op, int code, long offset, long address, int length, int flags) {
        makeRoom();
        ring.queue(code, 0, op.file.fd(), offset, address, length, flags, op.slot);
    }

    /** A fallocate carries its length in the address field and its mode in the length field. */
    private void allocate(IoOp op, int mode) {
        onFile(op, IoUring.OP_FALLOCATE, op.offset, op.length, mode, 0);
    }

    private void onSocket(IoOp op, int code, long address, int length, int flags) {
        makeRoom();
        ring.queue(code, 0, op.socket, 0, address, length, flags, op.slot);
    }

    private void makeRoom() {
        while (!ring.hasRoom()) {
            ring.submit();
        }
    }

    private int takeSlot(IoOp op) {
        if (freeCount == 0) {
            int old = slots.length;
            slots = java.util.Arrays.copyOf(slots, old * 2);
            freeSlots = new int[old * 2];
            for (int i = 0; i < old; i++) {
                freeSlots[i] = old * 2 - 1 - i;
            }
            freeCount = old;
        }
        int slot = freeSlots[--freeCount];
        slots[slot] = op;
        return slot;
    }

    private void armWake() {
        makeRoom();
        ring.queue(IoUring.OP_READ, 0, eventFd, -1L, wakeValue.address(), 8, 0, WAKE_TOKEN);
    }

    @Override
    public int poll() {
        if (ring.hasUnsubmitted() && ++pollsSinceSubmit > POLLS_BEFORE_SUBMIT) {
            ring.submit();
            pollsSinceSubmit = 0;
        }
        int completions = 0;
        while (ring.hasCompletion()) {
            long token = ring.completedUserData();
            int result = ring.completedResult();
            ring.popCompletion();
            if (token == WAKE_TOKEN) {
                armWake();
                continue;
            }
            IoOp op = slots[(int) token];
            slots[(int) token] = null;
            freeSlots[freeCount++] = (int) token;
            inFlight--;
            completions++;
            op.complete(result);
        }
        return completions;
    }

    @Override
    public void await(long timeoutNanos, BooleanSupplier moreWork) {
        sleeping.set(true);
        if (!moreWork.getAsBoolean() && !ring.hasCompletion()) {
            ring.submitAndWait(timeoutNanos);
            pollsSinceSubmit = 0;
        }
        sleeping.set(false);
    }

    @Override
    public void wake() {
        if (sleeping.compareAndSet(true, false)) {
            Libc.write(eventFd, one.address(), 8);
        }
    }

    @Override
    public int inFlight() {
        return inFlight;
    }

    /** Closes the ring; the kernel ends what is in flight first. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            ring.close();
            Libc.close(eventFd);
        }
    }
}
