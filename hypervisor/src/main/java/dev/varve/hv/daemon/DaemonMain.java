// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.daemon;

import dev.varve.hv.storage.Drivers;
import dev.varve.hv.storage.LaneStorageEngine;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Scheduler;
import dev.varve.vdi.time.Threads;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;

/** Starts the daemon from the command line: {@code --home DIR}, by default {@code ~/.varve}. */
public final class DaemonMain {
    private DaemonMain() {}

    /** Runs a daemon until the process is told to end. */
    public static void main(String[] args) throws InterruptedException {
        try {
            Path home = home(args);
            // Before anything logs: the log belongs into the home.
            System.setProperty("varve.log", home.resolve("log").resolve("varved.log").toString());
            System.setProperty("logback.configurationFile", "logback-daemon.xml");
            // Read when TLS is used first. A handshake costs the daemon more than its peer, so on
            // one connection there is only one.
            System.setProperty("jdk.tls.rejectClientInitiatedRenegotiation", "true");
            run(home);
        } catch (IOException | IllegalArgumentException e) {
            System.err.println("varve: " + e.getMessage());
            System.exit(1);
        }
    }

    private static void run(Path home) throws IOException, InterruptedException {
        VarveDaemon daemon =
                VarveDaemon.start(
                        home,
                        new VarveDaemon.Parts(
                                Clock.system(),
                                RandomSource.secure(),
                                Scheduler.system("varve-scheduler"),
                                Drivers.installed(),
                                LaneStorageEngine::open));
        ServiceManager manager = new ServiceManager(System.getenv("NOTIFY_SOCKET"));
        Runtime.getRuntime()
                .addShutdownHook(
                        Threads.platform(
                                "varve-stop",
                                () -> {
                                    manager.stopping();
                                    daemon.close();
                                }));
        manager.ready();
        System.out.println("varve is running under " + home);
        new CountDownLatch(1).await();
    }

    private static Path home(String[] args) {
        if (args.length == 0) {
            String named = System.getenv("VARVE_HOME");
            boolean unset = named == null || named.isEmpty();
            return unset
                    ? Path.of(System.getProperty("user.home"), ".varve")
                    : Path.of(named).toAbsolutePath();
        }
        if (args.length == 2 && args[0].equals("--home")) {
            return Path.of(args[1]).toAbsolutePath().normalize();
        }
        throw new IllegalArgumentException("usage: varve daemon [--home DIR]");
    }
}
