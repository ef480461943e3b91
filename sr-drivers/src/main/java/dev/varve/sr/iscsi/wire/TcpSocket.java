// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.wire;

import dev.varve.sr.iscsi.Deadline;
import dev.varve.sr.iscsi.Portal;
import dev.varve.vdi.ffi.Libc;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;

/**
 * A TCP connection whose socket does not block, used by code that may wait.
 *
 * <p><b>Threads:</b> one at a time, and platform threads: a wait holds the thread in the system.
 */
public final class TcpSocket implements AutoCloseable {
    private static final int POLLFD_BYTES = 8;
    private static final int POLLFD_EVENTS = 4;
    private static final int MSGHDR_BYTES = 56;
    private static final int MSGHDR_IOV = 16;
    private static final int MSGHDR_IOVLEN = 24;

    private final int fd;
    private final MemorySegment waited = Arena.ofAuto().allocate(POLLFD_BYTES, 4);
    private final MemorySegment message = Arena.ofAuto().allocate(MSGHDR_BYTES, 8);
    private final MemorySegment vector = Arena.ofAuto().allocate(2L * Long.BYTES, 8);
    private boolean open = true;

    /** Takes over a socket that does not block. */
    public TcpSocket(int fd) {
        this.fd = fd;
        waited.set(ValueLayout.JAVA_INT, 0, fd);
        message.set(ValueLayout.JAVA_LONG, MSGHDR_IOV, vector.address());
        message.set(ValueLayout.JAVA_LONG, MSGHDR_IOVLEN, 1);
    }

    /**
     * Connects to a portal, by whichever of its addresses answers first in turn. Fails with
     * DNS_ERROR where it has none.
     */
    public static TcpSocket connect(Portal portal, Deadline deadline)
            throws ConnectionLostException {
        InetAddress[] addresses = portal.addresses();
        ConnectionLostException last = null;
        for (int i = 0; i < addresses.length; i++) {
            long share = Math.max(1, deadline.millisLeft() / (addresses.length - i));
            try {
                return connect(addresses[i], portal.port(), deadline.atMost(share));
            } catch (ConnectionLostException e) {
                last = e;
            }
        }
        throw last;
    }

    private static TcpSocket connect(InetAddress address, int port, Deadline deadline)
            throws ConnectionLostException {
        int fd = Libc.connectTcp(address, port);
        if (fd < 0) {
            throw new ConnectionLostException("no connection: " + Libc.errorName(fd));
        }
        TcpSocket socket = new TcpSocket(fd);
        try {
            socket.await(Libc.POLLOUT, deadline);
            int error = Libc.socketError(fd);
            if (error < 0) {
                throw new ConnectionLostException("no connection: " + Libc.errorName(error));
            }
            return socket;
        } catch (ConnectionLostException e) {
            socket.close();
            throw e;
        }
    }

    /** The socket. */
    public int fd() {
        return fd;
    }

    /** Gives the socket away: it is not closed with this object any more. */
    public int release() {
        open = false;
        return fd;
    }

    /** Fills a range of native memory from the connection. */
    public void read(MemorySegment memory, long offset, long length, Deadline deadline)
            throws ConnectionLostException {
        for (long done = 0; done < length; ) {
            long got = Libc.recv(fd, memory.address() + offset + done, length - done, 0);
            if (got == 0) {
                throw new ConnectionLostException("the connection was closed by the target");
            }
            if (got > 0) {
                done += got;
            } else {
                awaitAfter(got, Libc.POLLIN, deadline);
            }
        }
    }

    /** Sends a range of native memory. */
    public void write(MemorySegment memory, long offset, long length, Deadline deadline)
            throws ConnectionLostException {
        for (long done = 0; done < length; ) {
            vector.set(ValueLayout.JAVA_LONG, 0, memory.address() + offset + done);
            vector.set(ValueLayout.JAVA_LONG, Long.BYTES, length - done);
            long sent = Libc.sendmsg(fd, message.address(), Libc.MSG_NOSIGNAL);
            if (sent >= 0) {
                done += sent;
            } else {
                awaitAfter(sent, Libc.POLLOUT, deadline);
            }
        }
    }

    /** Whether something has come, or the connection has ended; waits for nothing. */
    public boolean isReadable() {
        waited.set(ValueLayout.JAVA_SHORT, POLLFD_EVENTS, (short) Libc.POLLIN);
        return Libc.poll(waited.address(), 1, 0) > 0;
    }

    private void awaitAfter(long error, int event, Deadline deadline)
            throws ConnectionLostException {
        if (error == -Libc.EAGAIN) {
            await(event, deadline);
        } else if (error != -Libc.EINTR) {
            throw new ConnectionLostException(
                    "the connection broke: " + Libc.errorName((int) error));
        }
    }

    private void await(int event, Deadline deadline) throws ConnectionLostException {
        waited.set(ValueLayout.JAVA_SHORT, POLLFD_EVENTS, (short) event);
        while (true) {
            int ready = Libc.poll(waited.address(), 1, deadline.millisLeft());
            if (ready > 0) {
                return;
            }
            if (ready < 0 && ready != -Libc.EINTR) {
                throw new ConnectionLostException("cannot wait: " + Libc.errorName(ready));
            }
            if (deadline.isPast()) {
                throw new ConnectionLostException("no answer in time");
            }
        }
    }

    @Override
    public void close() {
        if (open) {
            open = false;
            Libc.close(fd);
        }
    }
}
