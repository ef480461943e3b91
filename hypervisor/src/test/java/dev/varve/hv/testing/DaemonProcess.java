// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.testing;

import dev.varve.hv.daemon.Settings;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** A daemon in a process of its own, which can be killed and started again. */
public final class DaemonProcess implements AutoCloseable {
    private static final long HEAP_MIB = 256;

    private final Path home;
    private Process process;

    /** A home for the daemon, which does not run yet. */
    public DaemonProcess(Path home) throws IOException {
        this.home = Files.createDirectories(home);
        Files.writeString(
                home.resolve(Settings.FILE),
                "api.https=off\napi.http=off\nnbd.tls=off\ncoalesce.quiet-millis=20\n");
    }

    /** Starts it. */
    public void start() throws IOException {
        process = RealDaemon.launch(home, HEAP_MIB);
    }

    /** Runs a command as xe does. */
    public String xe(String... words) throws IOException {
        return TestDaemon.xe(home.resolve("run").resolve("xapi.sock"), words).ok();
    }

    /** Where a disk that is attached is served. */
    public URI uri(String uuid) {
        return URI.create(
                "nbd+unix:///" + uuid + "?socket=" + home.resolve("run").resolve("nbd.sock"));
    }

    /** Ends it with SIGKILL and waits for that. */
    public void kill() throws InterruptedException {
        process.destroyForcibly();
        if (!process.waitFor(30, TimeUnit.SECONDS)) {
            throw new AssertionError("a process that was killed is still there");
        }
    }

    @Override
    public void close() {
        if (process == null) {
            return;
        }
        try {
            kill();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
