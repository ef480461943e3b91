// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.ffi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.net.Socket;

/** Listening TCP sockets, with the JDK's sockets as clients. */
@Timeout(30)
class TcpSocketTest {
    private static final int BACKLOG = 8;

    /** Waits with poll(2) until the descriptor can be read. */
    private static void awaitReadable(int fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment pollFd = arena.allocate(8, 8);
            pollFd.set(ValueLayout.JAVA_INT, 0, fd);
            pollFd.set(ValueLayout.JAVA_INT, 4, Libc.POLLIN);
            assertEquals(1, Libc.poll(pollFd.address(), 1, 20_000));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1", "::1"})
    void acceptsAndReceives(String host) throws IOException {
        InetAddress address = InetAddress.getByName(host);
        int listening = Libc.listenTcp(address, 0, BACKLOG);
        assertTrue(listening >= 0, Libc.errorName(listening));
        try (Arena arena = Arena.ofConfined();
                Socket client = new Socket(address, Libc.localPort(listening))) {
            awaitReadable(listening);
            int accepted = Libc.accept(listening);
            assertTrue(accepted >= 0, Libc.errorName(accepted));
            assertEquals(0, Libc.tuneTcp(accepted));
            client.getOutputStream().write(new byte[] {1, 2, 3});
            awaitReadable(accepted);
            MemorySegment memory = arena.allocate(16);
            assertEquals(3, Libc.recv(accepted, memory.address(), 16, Libc.MSG_DONTWAIT));
            assertEquals(2, memory.get(ValueLayout.JAVA_BYTE, 1));
            Libc.close(accepted);
        } finally {
            Libc.close(listening);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1", "::1"})
    void anAddressIsTakenOnceAndAgainAfterwards(String host) throws IOException {
        InetAddress address = InetAddress.getByName(host);
        int first = Libc.listenTcp(address, 0, BACKLOG);
        int port = Libc.localPort(first);
        assertTrue(port > 0);
        assertEquals("EADDRINUSE", Libc.errorName(Libc.listenTcp(address, port, BACKLOG)));
        try (Socket client = new Socket(address, port)) {
            awaitReadable(first);
            Libc.close(Libc.accept(first)); // our side closes first, and lingers in the system
            Libc.close(first);
            int second = Libc.listenTcp(address, port, BACKLOG);
            assertTrue(second >= 0, Libc.errorName(second));
            assertEquals(port, Libc.localPort(second));
            Libc.close(second);
            assertEquals(-1, client.getInputStream().read());
        }
    }

    @Test
    void saysWhatIsWrongWithAnAddress() throws IOException {
        int fd = Libc.listenTcp(InetAddress.getByName("198.51.100.1"), 0, BACKLOG);
        assertEquals("EADDRNOTAVAIL", Libc.errorName(fd));
    }
}
