// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.hv.testing.FakeStorage;
import dev.varve.hv.testing.NetworkDaemon;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.Threads;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/**
 * How long a change takes from the call that makes it to the clients that wait for it. The figure
 * is printed; what is asserted is only what holds on a machine that is busy with other things.
 */
@Tag("real")
final class EventLatencyTest {
    private static final int LISTENERS = 50;
    private static final int CHANGES = 250;

    /** The first changes are for the compiler. */
    private static final int UNCOUNTED = 50;

    @TempDir Path home;
    private final Clock clock = Clock.system();
    private final long[] nanos = new long[LISTENERS * (CHANGES - UNCOUNTED)];
    private final AtomicInteger samples = new AtomicInteger();
    private final AtomicReference<Throwable> trouble = new AtomicReference<>();
    private final List<CountDownLatch> seen = new ArrayList<>();
    private final long[] begun = new long[CHANGES];

    @Test
    void tellsFiftyClientsSoon() throws Exception {
        for (int i = 0; i < CHANGES; i++) {
            seen.add(new CountDownLatch(LISTENERS));
        }
        try (NetworkDaemon daemon = new NetworkDaemon(home, new FakeStorage())) {
            String pool = (String) ((List<?>) daemon.call("pool.get_all")).getFirst();
            String session =
                    (String)
                            daemon.daemon
                                    .dispatcher()
                                    .call(
                                            Caller.remote("test"),
                                            "session.login_with_password",
                                            List.of("root", NetworkDaemon.PASSWORD));
            String token = (String) daemon.call("event.inject", "pool", pool);
            for (int i = 0; i < LISTENERS; i++) {
                Threads.virtual("listener", () -> listen(daemon.port("http"), session, token))
                        .start();
            }
            for (int i = 0; i < CHANGES; i++) {
                begun[i] = clock.nanoTime();
                daemon.call("pool.set_name_label", pool, "change " + i + ".");
                boolean all = seen.get(i).await(30, TimeUnit.SECONDS);
                assertTrue(all, () -> "some wait in vain: " + trouble.get());
            }
        }
        Arrays.sort(nanos);
        System.out.printf(
                "events to %d clients: half within %.1f ms, 99 of 100 within %.1f ms, all within"
                        + " %.1f ms%n",
                LISTENERS,
                nanos[nanos.length / 2] / 1e6,
                nanos[nanos.length * 99 / 100] / 1e6,
                nanos[nanos.length - 1] / 1e6);
        assertTrue(nanos[nanos.length / 2] < TimeUnit.SECONDS.toNanos(1));
    }

    private void listen(int port, String session, String first) {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.setTcpNoDelay(true);
            String token = first;
            int last = -1;
            while (last < CHANGES - 1) {
                String answer = ask(socket, session, token);
                long now = clock.nanoTime();
                int next = Integer.parseInt(between(answer, "\"name_label\":\"change ", "."));
                for (int i = last + 1; i <= next; i++) {
                    if (i >= UNCOUNTED) {
                        nanos[samples.getAndIncrement()] = now - begun[i];
                    }
                    seen.get(i).countDown();
                }
                last = next;
                token = between(answer, "\"token\":\"", "\"");
            }
        } catch (IOException | RuntimeException e) {
            trouble.set(e);
        }
    }

    private static String ask(Socket socket, String session, String token) throws IOException {
        String body =
                "{\"method\":\"event.from\",\"params\":[\"%s\",[\"pool\"],\"%s\",30.0]}"
                        .formatted(session, token);
        String request =
                "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: "
                        + body.length()
                        + "\r\n\r\n"
                        + body;
        socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
        InputStream in = socket.getInputStream();
        StringBuilder head = new StringBuilder();
        while (head.indexOf("\r\n\r\n") < 0) {
            int c = in.read();
            if (c < 0) {
                throw new EOFException("closed after: " + head);
            }
            head.append((char) c);
        }
        int length = Integer.parseInt(between(head.toString(), "content-length: ", "\r\n"));
        return new String(in.readNBytes(length), StandardCharsets.UTF_8);
    }

    private static String between(String text, String before, String after) {
        int at = text.indexOf(before);
        if (at < 0) {
            throw new IllegalStateException("no " + before + " in " + text);
        }
        int from = at + before.length();
        return text.substring(from, text.indexOf(after, from));
    }
}
