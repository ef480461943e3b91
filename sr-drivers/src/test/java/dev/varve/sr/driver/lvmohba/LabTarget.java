// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmohba;

import dev.varve.sr.host.HostRoot;
import dev.varve.sr.host.ScsiDiscovery;
import dev.varve.sr.host.ScsiDisk;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;

/**
 * A disk in a sparse file that the target of the kernel serves to adapters of the same machine, one
 * for each path. Unlike the disks of the emulator it knows persistent reservations.
 */
final class LabTarget {
    private static final Path CONFIG = Path.of("/sys/kernel/config");
    private static final Path TARGET = CONFIG.resolve("target");
    private static int adapters;

    private final String serial;
    private final Path backing;
    private final ScsiDiscovery discovery = new ScsiDiscovery(HostRoot.system());

    /**
     * @param name of the disk, in the target
     * @param serial 16 digits
     */
    LabTarget(String name, String serial, int mebibytes) throws Exception {
        this.serial = serial;
        if (!Files.isDirectory(TARGET)) {
            // Without the folder it does not register a key, even one that it need not keep.
            Files.createDirectories(Path.of("/var/target/pr"));
            LabGuest.run("modprobe", "configfs");
            LabGuest.run("mount", "-t", "configfs", "configfs", CONFIG.toString());
            LabGuest.run("modprobe", "-a", "target_core_file", "tcm_loop");
        }
        Path file = Path.of("/run/lab", name + ".disk");
        LabGuest.run("truncate", "--size=" + mebibytes + "M", file.toString());
        backing = Files.createDirectories(TARGET.resolve("core/fileio_0").resolve(name));
        write(
                backing.resolve("control"),
                "fd_dev_name=%s,fd_dev_size=%d".formatted(file, (long) mebibytes << 20));
        write(backing.resolve("wwn/vpd_unit_serial"), serial);
        write(backing.resolve("enable"), "1");
    }

    private static void write(Path attribute, String value) throws IOException {
        Files.writeString(attribute, value + "\n");
    }

    /** One more path, over an adapter of its own; waits until the disk is there. */
    ScsiDisk addPath() throws Exception {
        adapters++;
        String adapter = "naa.600000000000%04x".formatted(2 * adapters);
        String initiator = "naa.600000000000%04x".formatted(2 * adapters + 1);
        Path group = Files.createDirectories(TARGET.resolve("loopback/" + adapter + "/tpgt_1"));
        write(group.resolve("nexus"), initiator);
        Path unit = Files.createDirectory(group.resolve("lun/lun_0"));
        List<ScsiDisk> before = paths();
        Files.createSymbolicLink(unit.resolve("port"), backing);
        LabGuest.await("a path of " + serial, () -> paths().size() > before.size());
        LabGuest.run("udevadm", "settle", "--timeout=60");
        return paths().getLast();
    }

    /** Its paths, in the order in which their adapters came. */
    List<ScsiDisk> paths() {
        return discovery.disks().stream()
                .filter(disk -> disk.serial().equals(serial))
                .sorted(Comparator.comparingInt(disk -> disk.address().host()))
                .toList();
    }

    String scsiId() {
        return paths().getFirst().scsiId();
    }
}
