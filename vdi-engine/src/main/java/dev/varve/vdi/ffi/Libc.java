// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.ffi;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.nio.ByteOrder;

/**
 * System calls. Each method returns what the call returns, or {@code -errno} when it failed;
 * nothing here throws for a failure of the system.
 *
 * <p>No downcall is marked critical: each of these may sleep, and a critical call would hold up the
 * garbage collector.
 *
 * <p><b>Threads:</b> any.
 */
@SuppressWarnings("restricted") // native calls are what this class is for
public final class Libc {
    public static final int O_RDONLY = 0;
    public static final int O_RDWR = 2;
    public static final int O_CREAT = 0100;
    public static final int O_EXCL = 0200;
    public static final int O_DIRECT = 040000;
    public static final int O_CLOEXEC = 02000000;

    public static final int FALLOC_FL_KEEP_SIZE = 1;
    public static final int FALLOC_FL_PUNCH_HOLE = 2;
    public static final int FALLOC_FL_ZERO_RANGE = 16;

    public static final int POLLIN = 1;
    public static final int POLLOUT = 4;
    public static final int POLLERR = 8;
    public static final int POLLHUP = 16;

    public static final int MSG_DONTWAIT = 0x40;
    public static final int MSG_NOSIGNAL = 0x4000;
    public static final int SHUT_RDWR = 2;

    public static final int EPERM = 1;
    public static final int ENOENT = 2;
    public static final int EINTR = 4;
    public static final int EIO = 5;
    public static final int ENXIO = 6;
    public static final int EAGAIN = 11;
    public static final int EACCES = 13;
    public static final int EBUSY = 16;
    public static final int ENODEV = 19;
    public static final int EINVAL = 22;
    public static final int EFBIG = 27;
    public static final int ENOSPC = 28;
    public static final int EROFS = 30;
    public static final int ETIME = 62;
    public static final int ENOLINK = 67;
    public static final int EOPNOTSUPP = 95;
    public static final int ECONNABORTED = 103;
    public static final int ENOBUFS = 105;
    public static final int ESHUTDOWN = 108;
    public static final int ETIMEDOUT = 110;
    public static final int ECANCELED = 125;
    public static final int EPIPE = 32;
    public static final int ENETUNREACH = 101;
    public static final int ECONNRESET = 104;
    public static final int ECONNREFUSED = 111;
    public static final int EHOSTUNREACH = 113;
    public static final int EINPROGRESS = 115;
    public static final int EDQUOT = 122;

    public static final int EEXIST = 17;
    public static final int EXDEV = 18;
    public static final int ENOTDIR = 20;
    public static final int EISDIR = 21;
    public static final int ENOTEMPTY = 39;
    public static final int ESTALE = 116;

    public static final int LOCK_SH = 1;
    public static final int LOCK_EX = 2;
    public static final int LOCK_NB = 4;
    public static final int LOCK_UN = 8;

    private static final int AT_FDCWD = -100;
    private static final int AT_SYMLINK_NOFOLLOW = 0x100;

    private static final int AF_UNIX = 1;
    private static final int AF_INET = 2;
    private static final int AF_INET6 = 10;
    private static final int SOCK_STREAM = 1;
    private static final int SOCK_DGRAM = 2;
    private static final int SOCK_NONBLOCK = 04000;
    private static final int SOCK_CLOEXEC = 02000000;
    private static final int EFD_NONBLOCK = 04000;
    private static final int EFD_CLOEXEC = 02000000;
    private static final int SUN_PATH_BYTES = 108;
    private static final int SOCKADDR_IN_BYTES = 16;
    private static final int SOCKADDR_IN6_BYTES = 28;

    private static final int SOL_SOCKET = 1;
    private static final int SO_REUSEADDR = 2;
    private static final int SO_ERROR = 4;
    private static final int SO_KEEPALIVE = 9;
    private static final int IPPROTO_TCP = 6;
    private static final int TCP_NODELAY = 1;
    private static final int TCP_KEEPIDLE = 4;
    private static final int TCP_KEEPINTVL = 5;
    private static final int TCP_KEEPCNT = 6;
    private static final int IPPROTO_IPV6 = 41;
    private static final int IPV6_V6ONLY = 26;
    private static final int KEEPALIVE_AFTER_SECONDS = 60;
    private static final int KEEPALIVE_EVERY_SECONDS = 15;
    private static final int KEEPALIVE_COUNT = 4;
    private static final int SC_PAGESIZE = 30;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout CAPTURE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO =
            CAPTURE.varHandle(MemoryLayout.PathElement.groupElement("errno"));
    private static final ThreadLocal<MemorySegment> STATE =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(CAPTURE));

    private static final ValueLayout.OfShort NETWORK_SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    private static final MethodHandle OPEN =
            find("open", FunctionDescriptor.of(INT, ValueLayout.ADDRESS, INT, INT), 2);
    private static final MethodHandle CLOSE = find("close", FunctionDescriptor.of(INT, INT));
    private static final MethodHandle READ =
            find("read", FunctionDescriptor.of(LONG, INT, LONG, LONG));
    private static final MethodHandle WRITE =
            find("write", FunctionDescriptor.of(LONG, INT, LONG, LONG));
    private static final MethodHandle PREAD =
            find("pread", FunctionDescriptor.of(LONG, INT, LONG, LONG, LONG));
    private static final MethodHandle PWRITE =
            find("pwrite", FunctionDescriptor.of(LONG, INT, LONG, LONG, LONG));
    private static final MethodHandle FTRUNCATE =
            find("ftruncate", FunctionDescriptor.of(INT, INT, LONG));
    private static final MethodHandle FALLOCATE =
            find("fallocate", FunctionDescriptor.of(INT, INT, INT, LONG, LONG));
    private static final MethodHandle FDATASYNC =
            find("fdatasync", FunctionDescriptor.of(INT, INT));
    private static final MethodHandle FSYNC = find("fsync", FunctionDescriptor.of(INT, INT));
    private static final MethodHandle LSEEK =
            find("lseek", FunctionDescriptor.of(LONG, INT, LONG, INT));
    private static final MethodHandle EVENTFD =
            find("eventfd", FunctionDescriptor.of(INT, INT, INT));
    private static final MethodHandle SOCKET =
            find("socket", FunctionDescriptor.of(INT, INT, INT, INT));
    private static final MethodHandle BIND =
            find("bind", FunctionDescriptor.of(INT, INT, ValueLayout.ADDRESS, INT));
    private static final MethodHandle LISTEN = find("listen", FunctionDescriptor.of(INT, INT, INT));
    private static final MethodHandle CONNECT =
            find("connect", FunctionDescriptor.of(INT, INT, ValueLayout.ADDRESS, INT));
    private static final MethodHandle ACCEPT4 =
            find("accept4", FunctionDescriptor.of(INT, INT, LONG, LONG, INT));
    private static final MethodHandle SETSOCKOPT =
            find("setsockopt", FunctionDescriptor.of(INT, INT, INT, INT, ValueLayout.ADDRESS, INT));
    private static final MethodHandle GETSOCKOPT =
            find(
                    "getsockopt",
                    FunctionDescriptor.of(
                            INT, INT, INT, INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS));
    private static final MethodHandle GETSOCKNAME =
            find(
                    "getsockname",
                    FunctionDescriptor.of(INT, INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS));
    private static final MethodHandle SHUTDOWN =
            find("shutdown", FunctionDescriptor.of(INT, INT, INT));
    private static final MethodHandle RECV =
            find("recv", FunctionDescriptor.of(LONG, INT, LONG, LONG, INT));
    private static final MethodHandle SENDMSG =
            find("sendmsg", FunctionDescriptor.of(LONG, INT, LONG, INT));
    private static final MethodHandle SENDTO =
            find(
                    "sendto",
                    FunctionDescriptor.of(
                            LONG, INT, ValueLayout.ADDRESS, LONG, INT, ValueLayout.ADDRESS, INT));
    private static final MethodHandle POLL =
            find("poll", FunctionDescriptor.of(INT, LONG, LONG, INT));
    private static final MethodHandle MMAP =
            find("mmap", FunctionDescriptor.of(LONG, LONG, LONG, INT, INT, INT, LONG));
    private static final MethodHandle MUNMAP =
            find("munmap", FunctionDescriptor.of(INT, LONG, LONG));
    private static final MethodHandle SYSCALL2 =
            find("syscall", FunctionDescriptor.of(LONG, LONG, LONG, LONG), 1);
    private static final MethodHandle SYSCALL6 =
            find(
                    "syscall",
                    FunctionDescriptor.of(LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG),
                    1);
    private static final MethodHandle STATX =
            find(
                    "statx",
                    FunctionDescriptor.of(
                            INT, INT, ValueLayout.ADDRESS, INT, INT, ValueLayout.ADDRESS));
    private static final MethodHandle RENAME =
            find("rename", FunctionDescriptor.of(INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS));
    private static final MethodHandle LINK =
            find("link", FunctionDescriptor.of(INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS));
    private static final MethodHandle UNLINK =
            find("unlink", FunctionDescriptor.of(INT, ValueLayout.ADDRESS));
    private static final MethodHandle RMDIR =
            find("rmdir", FunctionDescriptor.of(INT, ValueLayout.ADDRESS));
    private static final MethodHandle MKDIR =
            find("mkdir", FunctionDescriptor.of(INT, ValueLayout.ADDRESS, INT));
    private static final MethodHandle IOCTL =
            find("ioctl", FunctionDescriptor.of(INT, INT, LONG, LONG), 2);
    private static final MethodHandle FLOCK = find("flock", FunctionDescriptor.of(INT, INT, INT));
    private static final MethodHandle ALIGNED_ALLOC =
            find("aligned_alloc", FunctionDescriptor.of(LONG, LONG, LONG));
    private static final MethodHandle FREE = find("free", FunctionDescriptor.ofVoid(LONG));
    private static final MethodHandle SYSCONF = find("sysconf", FunctionDescriptor.of(LONG, INT));

    private Libc() {}

    private static MethodHandle find(String name, FunctionDescriptor type) {
        return LINKER.downcallHandle(
                LINKER.defaultLookup().findOrThrow(name),
                type,
                Linker.Option.captureCallState("errno"));
    }

    private static MethodHandle find(String name, FunctionDescriptor type, int firstVariadic) {
        return LINKER.downcallHandle(
                LINKER.defaultLookup().findOrThrow(name),
                type,
                Linker.Option.captureCallState("errno"),
                Linker.Option.firstVariadicArg(firstVariadic));
    }

    private static int result(int value, MemorySegment state) {
        return value >= 0 ? value : -(int) ERRNO.get(state, 0L);
    }

    private static long result(long value, MemorySegment state) {
        return value >= 0 ? value : -(int) ERRNO.get(state, 0L);
    }

    private static AssertionError unexpected(Throwable thrown) {
        return new AssertionError("a native call threw", thrown);
    }

    /** {@code open(2)} with O_CLOEXEC; new files get mode 0600. */
    public static int open(String path, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = STATE.get();
            MemorySegment name = arena.allocateFrom(path);
            return result((int) OPEN.invokeExact(state, name, flags | O_CLOEXEC, 0600), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code close(2)}. */
    public static int close(int fd) {
        try {
            MemorySegment state = STATE.get();
            return result((int) CLOSE.invokeExact(state, fd), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code read(2)} into native memory. */
    public static long read(int fd, long address, long length) {
        try {
            MemorySegment state = STATE.get();
            return result((long) READ.invokeExact(state, fd, address, length), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code write(2)} from native memory. */
    public static long write(int fd, long address, long length) {
        try {
            MemorySegment state = STATE.get();
            return result((long) WRITE.invokeExact(state, fd, address, length), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code pread(2)} into native memory. */
    public static long pread(int fd, long address, long length, long offset) {
        try {
            MemorySegment state = STATE.get();
            return result((long) PREAD.invokeExact(state, fd, address, length, offset), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code pwrite(2)} from native memory. */
    public static long pwrite(int fd, long address, long length, long offset) {
        try {
            MemorySegment state = STATE.get();
            return result((long) PWRITE.invokeExact(state, fd, address, length, offset), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code ftruncate(2)}. */
    public static int ftruncate(int fd, long size) {
        try {
            MemorySegment state = STATE.get();
            return result((int) FTRUNCATE.invokeExact(state, fd, size), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code fallocate(2)}. */
    public static int fallocate(int fd, int mode, long offset, long length) {
        try {
            MemorySegment state = STATE.get();
            return result((int) FALLOCATE.invokeExact(state, fd, mode, offset, length), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code fdatasync(2)}. */
    public static int fdatasync(int fd) {
        try {
            MemorySegment state = STATE.get();
            return result((int) FDATASYNC.invokeExact(state, fd), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code fsync(2)}; also for directories. */
    public static int fsync(int fd) {
        try {
            MemorySegment state = STATE.get();
            return result((int) FSYNC.invokeExact(state, fd), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** The size of an open file or block device: {@code lseek(2)} to its end. */
    public static long size(int fd) {
        try {
            MemorySegment state = STATE.get();
            return result((long) LSEEK.invokeExact(state, fd, 0L, 2), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /**
     * {@code statx(2)} of the fields that are read here into {@link FileStatus#BYTES} bytes.
     *
     * @param follow whether a symbolic link stands for what it points to
     */
    static int statx(String path, boolean follow, MemorySegment target) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = STATE.get();
            MemorySegment name = arena.allocateFrom(path);
            int flags = follow ? 0 : AT_SYMLINK_NOFOLLOW;
            int mask = FileStatus.BASIC_FIELDS | FileStatus.DIRECT_FIELDS;
            return result(
                    (int) STATX.invokeExact(state, AT_FDCWD, name, flags, mask, target), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code rename(2)}: a file that has the new name is replaced. */
    public static int rename(String from, String to) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = STATE.get();
            MemorySegment source = arena.allocateFrom(from);
            MemorySegment target = arena.allocateFrom(to);
            return result((int) RENAME.invokeExact(state, source, target), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code link(2)}. */
    public static int link(String existing, String name) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = STATE.get();
            MemorySegment source = arena.allocateFrom(existing);
            MemorySegment target = arena.allocateFrom(name);
            return result((int) LINK.invokeExact(state, source, target), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code unlink(2)}. */
    public static int unlink(String path) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = STATE.get();
            MemorySegment name = arena.allocateFrom(path);
            return result((int) UNLINK.invokeExact(state, name), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code rmdir(2)}. */
    public static int rmdir(String path) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = STATE.get();
            MemorySegment name = arena.allocateFrom(path);
            return result((int) RMDIR.invokeExact(state, name), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code mkdir(2)}. */
    public static int mkdir(String path, int mode) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = STATE.get();
            MemorySegment name = arena.allocateFrom(path);
            return result((int) MKDIR.invokeExact(state, name, mode), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /**
     * {@code ioctl(2)} with a pointer.
     *
     * @param address native memory in the form that the request wants
     */
    public static int ioctl(int fd, long request, long address) {
        try {
            MemorySegment state = STATE.get();
            return result((int) IOCTL.invokeExact(state, fd, request, address), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code flock(2)}: the lock belongs to the open file and goes when that is closed. */
    public static int flock(int fd, int operation) {
        try {
            MemorySegment state = STATE.get();
            return result((int) FLOCK.invokeExact(state, fd, operation), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** A non-blocking {@code eventfd(2)} of value 0. */
    public static int eventfd() {
        try {
            MemorySegment state = STATE.get();
            return result((int) EVENTFD.invokeExact(state, 0, EFD_NONBLOCK | EFD_CLOEXEC), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /**
     * A listening, non-blocking stream socket bound to a path.
     *
     * @throws IllegalArgumentException when the path does not fit a socket address
     */
    public static int listenUnix(String path, int backlog) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = unixAddress(path, arena);
            MemorySegment state = STATE.get();
            int fd = socket(AF_UNIX, state);
            if (fd < 0) {
                return fd;
            }
            return bindAndListen(fd, address, backlog, state);
        } catch (IllegalArgumentException e) {
            throw e;
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** Gives the descriptor back, or closes it and gives {@code -errno}. */
    private static int bindAndListen(
            int fd, MemorySegment address, int backlog, MemorySegment state) throws Throwable {
        int length = (int) address.byteSize();
        int bound = result((int) BIND.invokeExact(state, fd, address, length), state);
        int listening =
                bound < 0 ? bound : result((int) LISTEN.invokeExact(state, fd, backlog), state);
        if (listening < 0) {
            close(fd);
            return listening;
        }
        return fd;
    }

    /**
     * A listening, non-blocking TCP socket. The address can be taken again at once after its last
     * listener has gone. {@code ::} takes IPv6 only, so that {@code 0.0.0.0} can be bound beside
     * it.
     *
     * @param port 0 lets the system choose: see {@link #localPort}
     */
    public static int listenTcp(InetAddress host, int port, int backlog) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = inetAddress(host, port, arena);
            MemorySegment state = STATE.get();
            boolean six = host instanceof Inet6Address;
            int fd = socket(six ? AF_INET6 : AF_INET, state);
            if (fd < 0) {
                return fd;
            }
            int set = setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
            if (set >= 0 && six) {
                set = setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
            }
            if (set < 0) {
                close(fd);
                return set;
            }
            return bindAndListen(fd, address, backlog, state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /**
     * Makes a connected TCP socket fit for requests and answers: small messages leave at once, and
     * a peer that has vanished without a word is noticed after two minutes.
     */
    public static int tuneTcp(int fd) {
        int[][] options = {
            {IPPROTO_TCP, TCP_NODELAY, 1},
            {SOL_SOCKET, SO_KEEPALIVE, 1},
            {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_AFTER_SECONDS},
            {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_SECONDS},
            {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT}
        };
        for (int[] option : options) {
            int set = setOption(fd, option[0], option[1], option[2]);
            if (set < 0) {
                return set;
            }
        }
        return 0;
    }

    private static int setOption(int fd, int level, int name, int value) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = STATE.get();
            MemorySegment content = arena.allocateFrom(INT, value);
            int length = (int) content.byteSize();
            return result(
                    (int) SETSOCKOPT.invokeExact(state, fd, level, name, content, length), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /**
     * A non-blocking TCP socket, made fit as {@link #tuneTcp} says, that has begun to connect to a
     * peer. When it can be written, {@link #socketError} tells what has become of that.
     */
    public static int connectTcp(InetAddress host, int port) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = inetAddress(host, port, arena);
            MemorySegment state = STATE.get();
            int fd = socket(host instanceof Inet6Address ? AF_INET6 : AF_INET, state);
            if (fd < 0) {
                return fd;
            }
            int outcome = tuneTcp(fd);
            if (outcome >= 0) {
                int length = (int) address.byteSize();
                outcome = result((int) CONNECT.invokeExact(state, fd, address, length), state);
            }
            if (outcome < 0 && outcome != -EINPROGRESS) {
                close(fd);
                return outcome;
            }
            return fd;
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** The error that a socket has pending ({@code SO_ERROR}): 0, or {@code -errno}. */
    public static int socketError(int fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = STATE.get();
            MemorySegment error = arena.allocateFrom(INT, 0);
            MemorySegment length = arena.allocateFrom(INT, Integer.BYTES);
            int got =
                    result(
                            (int)
                                    GETSOCKOPT.invokeExact(
                                            state, fd, SOL_SOCKET, SO_ERROR, error, length),
                            state);
            return got < 0 ? got : -error.get(INT, 0);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** The port that a TCP socket is bound to. */
    public static int localPort(int fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = STATE.get();
            MemorySegment address = arena.allocate(SOCKADDR_IN6_BYTES, 4);
            MemorySegment length = arena.allocateFrom(INT, SOCKADDR_IN6_BYTES);
            int got = result((int) GETSOCKNAME.invokeExact(state, fd, address, length), state);
            return got < 0 ? got : Short.toUnsignedInt(address.get(NETWORK_SHORT, 2));
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /**
     * {@code struct sockaddr_in}: family (2), port (2), address (4), eight bytes of nothing; {@code
     * struct sockaddr_in6}: family (2), port (2), flow (4), address (16), scope (4). Port and
     * address are in network order.
     */
    private static MemorySegment inetAddress(InetAddress host, int port, Arena arena) {
        byte[] bytes = host.getAddress();
        boolean six = host instanceof Inet6Address;
        MemorySegment address = arena.allocate(six ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES, 4);
        address.set(ValueLayout.JAVA_SHORT, 0, (short) (six ? AF_INET6 : AF_INET));
        address.set(NETWORK_SHORT, 2, (short) port);
        MemorySegment.copy(bytes, 0, address, ValueLayout.JAVA_BYTE, six ? 8 : 4, bytes.length);
        if (host instanceof Inet6Address scoped) {
            address.set(INT, 24, scoped.getScopeId());
        }
        return address;
    }

    /** A non-blocking stream socket connected to the one bound to a path. */
    public static int connectUnix(String path) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = unixAddress(path, arena);
            MemorySegment state = STATE.get();
            int fd = socket(AF_UNIX, state);
            if (fd < 0) {
                return fd;
            }
            int connected =
                    result(
                            (int) CONNECT.invokeExact(state, fd, address, (int) address.byteSize()),
                            state);
            if (connected < 0) {
                close(fd);
                return connected;
            }
            return fd;
        } catch (IllegalArgumentException e) {
            throw e;
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /**
     * Sends one datagram to the socket bound to a path; a path that begins with {@code @} is a name
     * in the abstract namespace.
     */
    public static long sendUnix(String path, byte[] message) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = unixAddress(path, arena);
            if (path.startsWith("@")) {
                address.set(ValueLayout.JAVA_BYTE, 2, (byte) 0);
            }
            // A name in the abstract namespace is as long as the address says.
            int addressBytes = 2 + path.getBytes(java.nio.charset.StandardCharsets.UTF_8).length;
            MemorySegment content = arena.allocateFrom(ValueLayout.JAVA_BYTE, message);
            MemorySegment state = STATE.get();
            int fd =
                    result(
                            (int) SOCKET.invokeExact(state, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                            state);
            if (fd < 0) {
                return fd;
            }
            long sent =
                    result(
                            (long)
                                    SENDTO.invokeExact(
                                            state,
                                            fd,
                                            content,
                                            content.byteSize(),
                                            MSG_NOSIGNAL,
                                            address,
                                            addressBytes),
                            state);
            close(fd);
            return sent;
        } catch (IllegalArgumentException e) {
            throw e;
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    private static int socket(int family, MemorySegment state) throws Throwable {
        int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
        return result((int) SOCKET.invokeExact(state, family, type, 0), state);
    }

    /** {@code struct sockaddr_un}: family as a 16-bit int, then the path with its NUL. */
    private static MemorySegment unixAddress(String path, Arena arena) {
        byte[] bytes = path.getBytes(java.nio.charset.StandardCharsets.UTF_8);
        if (bytes.length >= SUN_PATH_BYTES) {
            throw new IllegalArgumentException(
                    "the socket path "
                            + path
                            + " is longer than "
                            + (SUN_PATH_BYTES - 1)
                            + " bytes");
        }
        MemorySegment address = arena.allocate(2 + SUN_PATH_BYTES, 2);
        address.set(ValueLayout.JAVA_SHORT, 0, (short) AF_UNIX);
        MemorySegment.copy(bytes, 0, address, ValueLayout.JAVA_BYTE, 2, bytes.length);
        return address;
    }

    /** {@code accept4(2)}; the new socket is non-blocking. */
    public static int accept(int fd) {
        try {
            MemorySegment state = STATE.get();
            int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
            return result((int) ACCEPT4.invokeExact(state, fd, 0L, 0L, flags), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code shutdown(2)} of both directions. */
    public static int shutdown(int fd) {
        try {
            MemorySegment state = STATE.get();
            return result((int) SHUTDOWN.invokeExact(state, fd, SHUT_RDWR), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code recv(2)} into native memory. */
    public static long recv(int fd, long address, long length, int flags) {
        try {
            MemorySegment state = STATE.get();
            return result((long) RECV.invokeExact(state, fd, address, length, flags), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code sendmsg(2)} of a {@code struct msghdr} in native memory. */
    public static long sendmsg(int fd, long messageHeader, int flags) {
        try {
            MemorySegment state = STATE.get();
            return result((long) SENDMSG.invokeExact(state, fd, messageHeader, flags), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code poll(2)} on an array of {@code struct pollfd} in native memory. */
    public static int poll(long pollfds, long count, int timeoutMillis) {
        try {
            MemorySegment state = STATE.get();
            return result((int) POLL.invokeExact(state, pollfds, count, timeoutMillis), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code mmap(2)} of a shared, readable and writable range; the address, or {@code -errno}. */
    static long mmapShared(int fd, long length, long offset) {
        final int readWrite = 3;
        final int sharedPopulated = 0x8001;
        try {
            MemorySegment state = STATE.get();
            long address =
                    (long)
                            MMAP.invokeExact(
                                    state, 0L, length, readWrite, sharedPopulated, fd, offset);
            return address == -1 ? -(int) ERRNO.get(state, 0L) : address;
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code munmap(2)}. */
    static int munmap(long address, long length) {
        try {
            MemorySegment state = STATE.get();
            return result((int) MUNMAP.invokeExact(state, address, length), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code syscall(2)} with two arguments. */
    static long syscall(long number, long a, long b) {
        try {
            MemorySegment state = STATE.get();
            return result((long) SYSCALL2.invokeExact(state, number, a, b), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** {@code syscall(2)} with six arguments. */
    static long syscall(long number, long a, long b, long c, long d, long e, long f) {
        try {
            MemorySegment state = STATE.get();
            return result((long) SYSCALL6.invokeExact(state, number, a, b, c, d, e, f), state);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /**
     * Native memory that begins at a page and is zero; {@link #free} gives it back.
     *
     * @param bytes a multiple of 4096
     */
    public static MemorySegment allocatePages(long bytes) {
        try {
            long address = (long) ALIGNED_ALLOC.invokeExact(STATE.get(), 4096L, bytes);
            if (address == 0) {
                throw new OutOfMemoryError("no native memory for a buffer of " + bytes + " bytes");
            }
            return MemorySegment.ofAddress(address).reinterpret(bytes).fill((byte) 0);
        } catch (OutOfMemoryError e) {
            throw e;
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** Gives back memory from {@link #allocatePages}; nobody may use it any more. */
    public static void free(MemorySegment memory) {
        try {
            FREE.invokeExact(STATE.get(), memory.address());
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** The size of a memory page in bytes. */
    public static int pageSize() {
        try {
            MemorySegment state = STATE.get();
            return (int) (long) SYSCONF.invokeExact(state, SC_PAGESIZE);
        } catch (Throwable thrown) {
            throw unexpected(thrown);
        }
    }

    /** The name of an error number, for messages. */
    public static String errorName(int errno) {
        return switch (Math.abs(errno)) {
            case EPERM -> "EPERM";
            case ENOENT -> "ENOENT";
            case EIO -> "EIO";
            case ENXIO -> "ENXIO";
            case ENODEV -> "ENODEV";
            case ENOLINK -> "ENOLINK";
            case ESHUTDOWN -> "ESHUTDOWN";
            case ETIMEDOUT -> "ETIMEDOUT";
            case EBUSY -> "EBUSY";
            case EEXIST -> "EEXIST";
            case EXDEV -> "EXDEV";
            case ENOTDIR -> "ENOTDIR";
            case EISDIR -> "EISDIR";
            case ENOTEMPTY -> "ENOTEMPTY";
            case ESTALE -> "ESTALE";
            case EAGAIN -> "EAGAIN";
            case EINVAL -> "EINVAL";
            case EFBIG -> "EFBIG";
            case ENOSPC -> "ENOSPC";
            case EROFS -> "EROFS";
            case EOPNOTSUPP -> "EOPNOTSUPP";
            case EDQUOT -> "EDQUOT";
            case ECANCELED -> "ECANCELED";
            case EACCES -> "EACCES";
            case EPIPE -> "EPIPE";
            case ENETUNREACH -> "ENETUNREACH";
            case ECONNRESET -> "ECONNRESET";
            case ECONNREFUSED -> "ECONNREFUSED";
            case EHOSTUNREACH -> "EHOSTUNREACH";
            case 98 -> "EADDRINUSE";
            case 99 -> "EADDRNOTAVAIL";
            default -> "errno " + Math.abs(errno);
        };
    }
}
