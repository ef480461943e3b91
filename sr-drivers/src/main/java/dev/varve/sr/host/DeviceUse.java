// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Who uses the block devices of a host, as far as the kernel tells it without opening them: what is
 * mounted, and what was made of a device or of its partitions.
 *
 * <p>A multipath map over paths is no use of them: it is one more path to the same LUN.
 *
 * <p><b>Threads:</b> any.
 */
final class DeviceUse {
    private static final Path SYSTEM = Path.of("/");

    private final HostRoot root;
    private final MountTable mounts;

    private DeviceUse(HostRoot root, MountTable mounts) {
        this.root = root;
        this.mounts = mounts;
    }

    static DeviceUse of(HostRoot root) {
        return new DeviceUse(root, MountTable.read(root.mountInfo()));
    }

    /** Who uses any of some devices, for a person; empty when nobody does. */
    String of(List<String> names) {
        Set<String> above = above(names);
        for (String name : above) {
            List<MountTable.Mount> mounted = mountsOf(name);
            if (!mounted.isEmpty()) {
                return name + " is mounted at " + mounted.getFirst().point();
            }
        }
        for (String name : above) {
            if (!names.contains(name) && isMadeOf(name)) {
                return "it is part of " + mapName(name);
            }
        }
        return "";
    }

    /** Whether the system of this host runs from any of some devices. */
    boolean isRoot(List<String> names) {
        return above(names).stream()
                .flatMap(name -> mountsOf(name).stream())
                .anyMatch(mount -> mount.point().equals(SYSTEM));
    }

    private List<MountTable.Mount> mountsOf(String name) {
        String number = block(name).textOrEmpty("dev");
        return number.isEmpty() ? List.of() : mounts.of(number);
    }

    private Sysfs block(String name) {
        return root.classOf("block").at(name);
    }

    /** Some devices, their partitions, and everything that was made of those, however far above. */
    private Set<String> above(List<String> names) {
        Set<String> seen = new LinkedHashSet<>();
        List<String> next = names;
        while (!next.isEmpty()) {
            Set<String> found = new LinkedHashSet<>();
            for (String name : next) {
                if (seen.add(name)) {
                    found.addAll(partitions(name));
                    found.addAll(block(name).at("holders").names());
                }
            }
            found.removeAll(new HashSet<>(seen));
            next = List.copyOf(found);
        }
        return seen;
    }

    private List<String> partitions(String name) {
        return block(name).children().stream()
                .filter(child -> child.text("partition").isPresent())
                .map(Sysfs::name)
                .toList();
    }

    /** A partition by itself is no use; a device over it is. */
    private boolean isMadeOf(String name) {
        Sysfs device = block(name);
        return device.text("partition").isEmpty()
                && !device.textOrEmpty("dm/uuid").startsWith("mpath-")
                && !device.textOrEmpty("dm/uuid").matches("part[0-9]+-mpath-.*");
    }

    private String mapName(String name) {
        String text = block(name).textOrEmpty("dm/name");
        return text.isEmpty() ? name : text + " (" + name + ")";
    }
}
