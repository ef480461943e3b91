// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import java.nio.file.Path;

/**
 * Where a host shows what it has: the directories that the kernel and udev fill. Those of this host
 * are the usual ones; a tree that was made for the purpose stands in for hardware that is not
 * there.
 *
 * <p><b>Threads:</b> any.
 *
 * @param sysfs where the kernel shows devices, {@code /sys}
 * @param dev where the device nodes are, {@code /dev}
 * @param mountInfo what is mounted, {@code /proc/self/mountinfo}
 */
public record HostRoot(Path sysfs, Path dev, Path mountInfo) {
    /** This host. */
    public static HostRoot system() {
        return under(Path.of("/"));
    }

    /** The same directories below another one. */
    public static HostRoot under(Path root) {
        return new HostRoot(
                root.resolve("sys"), root.resolve("dev"), root.resolve("proc/self/mountinfo"));
    }

    /** A directory of a class of devices, such as {@code scsi_host}; it may not be there. */
    Sysfs classOf(String name) {
        return new Sysfs(sysfs.resolve("class").resolve(name));
    }
}
