// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.vdi.ffi.Libc;

/**
 * The socket of a connection, as far as the connection calls the system itself. What may take time
 * goes through the backend of the lane, under the socket's number.
 *
 * <p><b>Threads:</b> the lane's only.
 */
public interface NbdSocket {
    /** The number under which the backend knows it. */
    int number();

    /**
     * Sends without waiting.
     *
     * @param message the address of a {@code struct msghdr}
     * @return how many bytes were taken, or {@code -errno}
     */
    long send(long message);

    /** Ends both directions; what is in flight on the backend ends. */
    void shutdown();

    /** Gives the number back. */
    void close();

    /** A socket of the system. */
    static NbdSocket of(int fd) {
        return new NbdSocket() {
            @Override
            public int number() {
                return fd;
            }

            @Override
            public long send(long message) {
                return Libc.sendmsg(fd, message, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
            }

            @Override
            public void shutdown() {
                Libc.shutdown(fd);
            }

            @Override
            public void close() {
                Libc.close(fd);
            }
        };
    }
}
