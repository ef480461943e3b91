// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.io;

import dev.varve.vdi.Invariant;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.time.Threads;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedTransferQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;

/**
 * The backend for systems without io_uring: blocking reads and writes on a pool of threads, and
 * {@code poll(2)} for the sockets and the wake-up.
 *
 * <p>Finished operations go onto a stack that the lane takes whole, so a hand-back allocates
 * nothing.
 */
public final class PoolBackend implements IoBackend {
    private static final int POLLFD_BYTES = 8;
    private static final VarHandle DONE;

    static {
        try {
            DONE = MethodHandles.lookup().findVarHandle(PoolBackend.class, "done", IoOp.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final LinkedTransferQueue<IoOp> work = new LinkedTransferQueue<>();
    private final IoOp stop = new IoOp(null);
    private final List<Thread> threads = new ArrayList<>();
    private final AtomicBoolean sleeping = new AtomicBoolean();
    private final Arena arena = Arena.ofShared();
    private final MemorySegment scratch = arena.allocate(16, 8);
    private final MemorySegment one = arena.allocate(8, 8);
    private final int eventFd;
    private final List<IoOp> sockets = new ArrayList<>();
    private final List<IoOp> ready = new ArrayList<>();
    private MemorySegment pollFds = arena.allocate(64L * POLLFD_BYTES, 8);
    private IoOp taken;
    private int inFlight;
    private boolean closed;

    @SuppressWarnings("unused") // through DONE
    private volatile IoOp done;

    /**
     * @param name what its threads are called after
     * @param size how many threads it has
     */
    public PoolBackend(String name, int size) {
        eventFd = Libc.eventfd();
        Invariant.check(eventFd >= 0, "an eventfd can be made");
        one.set(ValueLayout.JAVA_LONG, 0, 1);
        for (int i = 0; i < size; i++) {
            Thread thread = Threads.platform(name + "-io-" + i, this::serve);
            threads.add(thread);
            thread.start();
        }
    }

    @Override
    public String name() {
        return "thread pool of " + threads.size();
    }

    @Override
    public void submit(IoOp op) {
        op.begin();
        inFlight++;
        switch (op.kind) {
            case RECEIVE, POLL_READABLE, POLL_WRITABLE -> sockets.add(op);
            default -> work.add(op);
        }
    }

    private void serve() {
        try {
            for (IoOp op = work.take(); op != stop; op = work.take()) {
                op.result = perform(op);
                push(op);
                wake();
            }
        } catch (InterruptedException e) {
            throw new AssertionError("a thread of the I/O pool was interrupted", e);
        }
        work.add(stop);
    }

    private static int perform(IoOp op) {
        int fd = op.file.fd();
        return switch (op.kind) {
            case READ -> (int) Libc.pread(fd, op.address, op.length, op.offset);
            case WRITE -> (int) Libc.pwrite(fd, op.address, op.length, op.offset);
            case WRITE_DURABLE -> {
                int written = (int) Libc.pwrite(fd, op.address, op.length, op.offset);
                int synced = written < 0 ? written : Libc.fdatasync(fd);
                yield synced < 0 ? synced : written;
            }
            case SYNC -> Libc.fdatasync(fd);
            case PUNCH_HOLE ->
                    Libc.fallocate(
                            fd,
                            Libc.FALLOC_FL_PUNCH_HOLE | Libc.FALLOC_FL_KEEP_SIZE,
                            op.offset,
                            op.length);
            case ZERO_RANGE ->
                    Libc.fallocate(
                            fd,
                            Libc.FALLOC_FL_ZERO_RANGE | Libc.FALLOC_FL_KEEP_SIZE,
                            op.offset,
                            op.length);
            case RECEIVE, POLL_READABLE, POLL_WRITABLE ->
                    throw new IllegalStateException("a socket operation on the file pool");
        };
    }

    private void push(IoOp op) {
        IoOp head;
        do {
            head = (IoOp) DONE.getVolatile(this);
            op.next = head;
        } while (!DONE.compareAndSet(this, head, op));
    }

    @Override
    public int poll() {
        int completions = pollFiles();
        if (!sockets.isEmpty() || !ready.isEmpty()) {
            pollSockets(0);
            completions += completeSockets();
        }
        return completions;
    }

    /** What was taken and not completed is kept: a completion that throws loses no other one. */
    private int pollFiles() {
        if (taken == null) {
            taken = (IoOp) DONE.getAndSet(this, null);
        }
        int completions = 0;
        while (taken != null) {
            IoOp op = taken;
            taken = op.next;
            op.next = null;
            inFlight--;
            completions++;
            op.complete(op.result);
        }
        return completions;
    }

    /** Asks the system which sockets are ready; {@code struct pollfd} is fd, events, revents. */
    private void pollSockets(int timeoutMillis) {
        int count = sockets.size() + 1;
        if (pollFds.byteSize() < (long) count * POLLFD_BYTES) {
            pollFds = arena.allocate(2L * count * POLLFD_BYTES, 8);
        }
        setPollFd(0, eventFd, Libc.POLLIN);
        for (int i = 0; i < sockets.size(); i++) {
            IoOp op = sockets.get(i);
            setPollFd(
                    i + 1,
                    op.socket,
                    op.kind == IoOp.Kind.POLL_WRITABLE ? Libc.POLLOUT : Libc.POLLIN);
        }
        int result = Libc.poll(pollFds.address(), count, timeoutMillis);
        if (result <= 0) {
            return;
        }
        if (revents(0) != 0) {
            Libc.read(eventFd, scratch.address(), 8);
        }
        int kept = 0;
        for (int i = 0; i < count - 1; i++) {
            IoOp op = sockets.get(i);
            if (revents(i + 1) != 0) {
                ready.add(op);
            } else {
                sockets.set(kept++, op);
            }
        }
        sockets.subList(kept, sockets.size()).clear();
    }

    private int completeSockets() {
        int completions = 0;
        while (!ready.isEmpty()) {
            IoOp op = ready.removeLast();
            int result = 0;
            if (op.kind == IoOp.Kind.RECEIVE) {
                result = (int) Libc.recv(op.socket, op.address, op.length, Libc.MSG_DONTWAIT);
                if (result == -Libc.EAGAIN) {
                    sockets.add(op);
                    continue;
                }
            }
            inFlight--;
            completions++;
            op.complete(result);
        }
        return completions;
    }

    private void setPollFd(int index, int fd, int events) {
        pollFds.set(ValueLayout.JAVA_INT, (long) index * POLLFD_BYTES, fd);
        pollFds.set(ValueLayout.JAVA_INT, (long) index * POLLFD_BYTES + 4, events);
    }

    private int revents(int index) {
        return pollFds.get(ValueLayout.JAVA_SHORT, (long) index * POLLFD_BYTES + 6);
    }

    @Override
    public void await(long timeoutNanos, BooleanSupplier moreWork) {
        sleeping.set(true);
        boolean work = taken != null || !ready.isEmpty() || DONE.getVolatile(this) != null;
        if (!moreWork.getAsBoolean() && !work) {
            pollSockets((int) Math.min(Integer.MAX_VALUE, timeoutNanos / 1_000_000 + 1));
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

    /** Lets the pool's threads end after what they are doing; does not wait for a stuck one. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            work.add(stop);
            if (inFlight == 0) {
                Libc.close(eventFd);
            }
        }
    }
}
