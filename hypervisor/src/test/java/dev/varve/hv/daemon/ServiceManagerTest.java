// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** What the daemon tells systemd, received by a program that binds the socket as systemd does. */
@Tag("real")
final class ServiceManagerTest {
    private static final String RECEIVER =
            """
            import socket, sys
            name = sys.argv[1]
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            s.settimeout(30)
            s.bind(name if name[0] != '@' else chr(0) + name[1:])
            print('bound', flush=True)
            for i in range(2):
                print(s.recv(100).decode(), flush=True)
            """;

    @TempDir Path directory;

    @Test
    void tellsTheSocketOfAPath() throws Exception {
        assertTold(directory.resolve("notify").toString());
    }

    @Test
    void tellsTheSocketOfAnAbstractName() throws Exception {
        assertTold("@varve-test-" + ProcessHandle.current().pid());
    }

    @Test
    void goesOnWhenNobodyIsThere() {
        new ServiceManager(directory.resolve("none").toString()).ready();
        new ServiceManager("x".repeat(200)).ready();
        new ServiceManager(null).stopping();
    }

    private static void assertTold(String socket) throws IOException, InterruptedException {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/python3")), "python3 is not installed");
        Process receiver =
                new ProcessBuilder("/usr/bin/python3", "-c", RECEIVER, socket)
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        try (BufferedReader lines = receiver.inputReader()) {
            assertEquals("bound", lines.readLine());
            ServiceManager manager = new ServiceManager(socket);
            manager.ready();
            assertEquals("READY=1", lines.readLine());
            manager.stopping();
            assertEquals("STOPPING=1", lines.readLine());
            assertTrue(receiver.waitFor(30, TimeUnit.SECONDS));
        } finally {
            receiver.destroyForcibly();
        }
    }
}
