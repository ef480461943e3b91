// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The programs of lvm2 on one device. They keep to it, and leave device-mapper alone. */
final class Lvm2Group {
    private static final int SECONDS = 120;
    private static final String GROUP = "bench";

    private final Programs programs;
    private final Path system;
    private final String node;

    /**
     * @param system a directory for their configuration
     */
    Lvm2Group(Programs programs, Path system, String node) throws IOException {
        this.programs = programs;
        this.system = Files.createDirectories(system);
        this.node = node;
        Files.writeString(
                system.resolve("lvm.conf"),
                "backup { backup = 0 archive = 0 }\ndevices { use_devicesfile = 0 }\n");
    }

    /** Makes a group with room for as much metadata as that of a repository. */
    void create() throws IOException, InterruptedException {
        run("pvcreate", "--metadatasize", "10m", node);
        run("vgcreate", GROUP, node);
    }

    /** Makes a volume. */
    void createVolume(String name) throws IOException, InterruptedException {
        run("lvcreate", "-an", "-Zn", "-Wn", "-y", "-n", name, "-L", "8m", GROUP);
    }

    /** Removes a volume. */
    void removeVolume(String name) throws IOException, InterruptedException {
        run("lvremove", "-f", GROUP + "/" + name);
    }

    /** Lists all volumes of the device, whosever they are. */
    void list() throws IOException, InterruptedException {
        run("lvs", "--noheadings", "-o", "lv_name,lv_size,lv_tags");
    }

    private void run(String command, String... arguments) throws IOException, InterruptedException {
        List<String> words = new ArrayList<>(List.of(command));
        words.addAll(List.of("-qq", "--driverloaded", "n", "--devices", node));
        words.addAll(List.of(arguments));
        programs.run(
                words,
                Map.of("LVM_SYSTEM_DIR", system.toString(), "LVM_SUPPRESS_FD_WARNINGS", "1"),
                SECONDS);
    }
}
