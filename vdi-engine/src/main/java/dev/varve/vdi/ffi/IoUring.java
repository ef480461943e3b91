// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * One io_uring: a submission queue and a completion queue shared with the kernel.
 *
 * <p>Layouts, as in the kernel's {@code io_uring.h} (all little-endian on the supported machines):
 *
 * <table>
 * <caption>Submission queue entry, 64 bytes</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>1</td><td>operation</td></tr>
 * <tr><td>1</td><td>1</td><td>entry flags</td></tr>
 * <tr><td>2</td><td>2</td><td>priority, or flags of a receive</td></tr>
 * <tr><td>4</td><td>4</td><td>file descriptor</td></tr>
 * <tr><td>8</td><td>8</td><td>file offset</td></tr>
 * <tr><td>16</td><td>8</td><td>address, or length of a fallocate</td></tr>
 * <tr><td>24</td><td>4</td><td>length, or mode of a fallocate</td></tr>
 * <tr><td>28</td><td>4</td><td>flags of the operation</td></tr>
 * <tr><td>32</td><td>8</td><td>user data</td></tr>
 * </table>
 *
 * <table>
 * <caption>Completion queue entry, 16 bytes</caption>
 * <tr><th>offset</th><th>size</th><th>meaning</th></tr>
 * <tr><td>0</td><td>8</td><td>user data</td></tr>
 * <tr><td>8</td><td>4</td><td>result or -errno</td></tr>
 * <tr><td>12</td><td>4</td><td>flags</td></tr>
 * </table>
 *
 * <p><b>Threads:</b> only the thread that created it; the ring is set up for a single issuer.
 *
 * <p><b>Memory order:</b> the kernel's indexes (submission head, completion tail) are read with
 * acquire, ours are written with release.
 */
@SuppressWarnings("restricted") // memory shared with the kernel is what this class is for
public final class IoUring implements AutoCloseable {
    public static final int OP_NOP = 0;
    public static final int OP_FSYNC = 3;
    public static final int OP_POLL_ADD = 6;
    public static final int OP_FALLOCATE = 17;
    public static final int OP_READ = 22;
    public static final int OP_WRITE = 23;
    public static final int OP_RECV = 27;

    public static final int FSYNC_DATASYNC = 1;
    public static final int RWF_DSYNC = 2;
    public static final int SQE_ASYNC = 1 << 4;

    private static final int SETUP_CQSIZE = 1 << 3;
    private static final int SETUP_CLAMP = 1 << 4;
    private static final int SETUP_SINGLE_ISSUER = 1 << 12;
    private static final int SETUP_DEFER_TASKRUN = 1 << 13;
    private static final int FEATURE_SINGLE_MMAP = 1;
    private static final int FEATURE_NODROP = 1 << 1;
    private static final int FEATURE_EXT_ARG = 1 << 8;
    private static final int NEEDED_FEATURES =
            FEATURE_SINGLE_MMAP | FEATURE_NODROP | FEATURE_EXT_ARG;
    private static final int ENTER_GETEVENTS = 1;
    private static final int ENTER_EXT_ARG = 1 << 3;

    private static final long SYS_IO_URING_SETUP = 425;
    private static final long SYS_IO_URING_ENTER = 426;
    private static final long OFFSET_RINGS = 0;
    private static final long OFFSET_SQES = 0x10000000L;

    static final int PARAMS_BYTES = 120;
    static final int SQE_BYTES = 64;
    static final int CQE_BYTES = 16;
    private static final int PARAMS_SQ_OFF = 40;
    private static final int PARAMS_CQ_OFF = 80;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final VarHandle INT_AT = INT.varHandle();

    private final int fd;
    private final Arena arena;
    private final MemorySegment rings;
    private final MemorySegment sqes;
    private final MemorySegment timeout;
    private final MemorySegment waitArgument;
    private final long sqHead;
    private final long sqTail;
    private final long sqFlags;
    private final long sqMask;
    private final long cqHead;
    private final long cqTail;
    private final long cqMask;
    private final long cqEntries;
    private final int entries;
    private int tail;
    private int submitted;

    private IoUring(int fd, MemorySegment params) {
        this.fd = fd;
        this.arena = Arena.ofConfined();
        this.entries = params.get(INT, 0);
        int completionEntries = params.get(INT, 4);
        long sqArray = offset(params, PARAMS_SQ_OFF, 6);
        long cqes = offset(params, PARAMS_CQ_OFF, 5);
        long size = Math.max(sqArray + 4L * entries, cqes + (long) CQE_BYTES * completionEntries);
        this.rings = map(size, OFFSET_RINGS);
        this.sqes = map((long) SQE_BYTES * entries, OFFSET_SQES);
        this.sqHead = offset(params, PARAMS_SQ_OFF, 0);
        this.sqTail = offset(params, PARAMS_SQ_OFF, 1);
        this.sqMask = rings.get(INT, offset(params, PARAMS_SQ_OFF, 2));
        this.sqFlags = offset(params, PARAMS_SQ_OFF, 4);
        this.cqHead = offset(params, PARAMS_CQ_OFF, 0);
        this.cqTail = offset(params, PARAMS_CQ_OFF, 1);
        this.cqMask = rings.get(INT, offset(params, PARAMS_CQ_OFF, 2));
        this.cqEntries = cqes;
        for (int i = 0; i < entries; i++) {
            rings.set(INT, sqArray + 4L * i, i);
        }
        this.timeout = arena.allocate(16, 8);
        this.waitArgument = arena.allocate(24, 8);
        waitArgument.set(LONG, 16, timeout.address());
    }

    /**
     * Sets up a ring that belongs to the calling thread.
     *
     * @param entries how many submissions may be queued before they are handed over; a power of two
     * @return the ring, or null when this kernel or its settings do not allow one
     */
    public static IoUring open(int entries) {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment params = scratch.allocate(PARAMS_BYTES, 8);
            int flags = SETUP_CQSIZE | SETUP_CLAMP | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN;
            params.set(INT, 4, entries * 4);
            params.set(INT, 8, flags);
            long fd = Libc.syscall(SYS_IO_URING_SETUP, entries, params.address());
            if (fd < 0) {
                return null;
            }
            if ((params.get(INT, 20) & NEEDED_FEATURES) != NEEDED_FEATURES) {
                Libc.close((int) fd);
                return null;
            }
            return new IoUring((int) fd, params);
        }
    }

    private static long offset(MemorySegment params, int group, int index) {
        return Integer.toUnsignedLong(params.get(INT, group + 4L * index));
    }

    private MemorySegment map(long size, long offset) {
        long address = Libc.mmapShared(fd, size, offset);
        if (address < 0) {
            throw new IllegalStateException("mmap of a ring: " + Libc.errorName((int) address));
        }
        return MemorySegment.ofAddress(address).reinterpret(size);
    }

    /** Whether a submission entry is free; if not, {@link #submit()} frees some. */
    public boolean hasRoom() {
        return tail - (int) INT_AT.getAcquire(rings, sqHead) < entries;
    }

    /** Queues an operation. The caller has made sure that there is room. */
    public void queue(
            int operation,
            int entryFlags,
            int target,
            long offset,
            long address,
            int length,
            int flags,
            long userData) {
        long at = (tail & sqMask) * SQE_BYTES;
        sqes.set(LONG, at, operation | (long) entryFlags << 8 | (long) target << 32);
        sqes.set(LONG, at + 8, offset);
        sqes.set(LONG, at + 16, address);
        sqes.set(LONG, at + 24, Integer.toUnsignedLong(length) | (long) flags << 32);
        sqes.set(LONG, at + 32, userData);
        sqes.set(LONG, at + 40, 0L);
        sqes.set(LONG, at + 48, 0L);
        sqes.set(LONG, at + 56, 0L);
        tail++;
        INT_AT.setRelease(rings, sqTail, tail);
    }

    /** Whether operations are queued that the kernel has not seen. */
    public boolean hasUnsubmitted() {
        return tail != submitted;
    }

    /** Hands queued operations to the kernel and lets it post completions; does not sleep. */
    public int submit() {
        return enter(0, ENTER_GETEVENTS, 0, 0);
    }

    /**
     * Hands queued operations to the kernel and sleeps until something has completed or the time is
     * over. This is the one place where a lane sleeps.
     */
    public int submitAndWait(long timeoutNanos) {
        timeout.set(LONG, 0, timeoutNanos / 1_000_000_000L);
        timeout.set(LONG, 8, timeoutNanos % 1_000_000_000L);
        return enter(1, ENTER_GETEVENTS | ENTER_EXT_ARG, waitArgument.address(), 24);
    }

    private int enter(int minimum, int flags, long argument, long argumentBytes) {
        int count = tail - submitted;
        long result =
                Libc.syscall(
                        SYS_IO_URING_ENTER, fd, count, minimum, flags, argument, argumentBytes);
        if (result > 0) {
            submitted += (int) result;
        }
        return (int) result;
    }

    /** Whether a completion can be taken. */
    public boolean hasCompletion() {
        return rings.get(INT, cqHead) != (int) INT_AT.getAcquire(rings, cqTail);
    }

    /** The user data of the completion at the head. */
    public long completedUserData() {
        return rings.get(LONG, completionAt());
    }

    /** The result of the completion at the head: as the system call's, or {@code -errno}. */
    public int completedResult() {
        return rings.get(INT, completionAt() + 8);
    }

    /** Gives the completion at the head back to the kernel. */
    public void popCompletion() {
        INT_AT.setRelease(rings, cqHead, rings.get(INT, cqHead) + 1);
    }

    private long completionAt() {
        return cqEntries + (rings.get(INT, cqHead) & cqMask) * CQE_BYTES;
    }

    /** The kernel's flags of the submission queue, for diagnosis. */
    int queueFlags() {
        return (int) INT_AT.getAcquire(rings, sqFlags);
    }

    @Override
    public void close() {
        Libc.close(fd);
        Libc.munmap(rings.address(), rings.byteSize());
        Libc.munmap(sqes.address(), sqes.byteSize());
        arena.close();
    }
}
