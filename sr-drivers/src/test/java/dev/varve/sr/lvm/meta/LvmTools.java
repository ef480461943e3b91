// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.varve.sr.host.HostCommand;
import dev.varve.sr.host.LoopDevice;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The programs of lvm2, for tests: they see the given devices only, keep no copies of what they
 * write, and never touch device-mapper.
 */
public final class LvmTools {
    private final Path system;
    private final String devices;

    /** Tools that see these devices. */
    public LvmTools(Path system, LoopDevice... devices) throws IOException {
        this.system = Files.createDirectories(system);
        this.devices =
                String.join(
                        ",", List.of(devices).stream().map(one -> one.node().toString()).toList());
        Files.writeString(
                system.resolve("lvm.conf"),
                "backup { backup = 0 archive = 0 }\ndevices { use_devicesfile = 0 }\n");
    }

    /** Skips the test where they cannot be used. */
    public static void assumePossible() {
        LoopDevice.assumePossible();
        assumeTrue(Files.isExecutable(Path.of("/usr/sbin/lvs")), "needs the program lvs");
    }

    /** Runs one that has to succeed; what it printed, without space around. */
    public String run(String command, String... arguments) {
        HostCommand.Result result = tryRun(command, arguments);
        assertEquals(0, result.status(), () -> command + ": " + result.lastLines());
        return result.output().strip();
    }

    /** Runs one. */
    HostCommand.Result tryRun(String command, String... arguments) {
        List<String> words =
                new ArrayList<>(List.of(command, "--driverloaded", "n", "--devices", devices));
        words.addAll(List.of(arguments));
        return tryRun(words);
    }

    /** What {@code pvck} finds on a device, which may also be a plain file. */
    String dump(String what, String... arguments) {
        List<String> words = new ArrayList<>(List.of("pvck", "--dump", what));
        words.addAll(List.of(arguments));
        HostCommand.Result result = tryRun(words);
        assertEquals(0, result.status(), () -> "pvck: " + result.lastLines());
        return result.output();
    }

    private HostCommand.Result tryRun(List<String> command) {
        List<String> words = new ArrayList<>();
        words.add("LVM_SYSTEM_DIR=" + system);
        words.add("LVM_SUPPRESS_FD_WARNINGS=1");
        words.addAll(command);
        return LoopDevice.tryRun("env", words.toArray(String[]::new));
    }
}
