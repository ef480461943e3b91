// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.host;

import java.nio.file.Path;
import java.util.List;

/**
 * A device that the kernel's device-mapper has made of several paths to one LUN. Its name in the
 * device-mapper is {@code mpath-} and the SCSIid, by which it is recognised.
 *
 * <p><b>Threads:</b> any.
 *
 * @param name such as {@code dm-0}
 * @param mapName the name that an administrator knows
 * @param node its device node
 * @param scsiId the LUN that it leads to
 * @param slaves the names of the disks that it was made of, such as {@code sda}
 */
public record MultipathMap(
        String name, String mapName, Path node, String scsiId, List<String> slaves) {
    private static final String UUID_PREFIX = "mpath-";

    /** Copies the list. */
    public MultipathMap {
        slaves = List.copyOf(slaves);
    }

    /** The maps of a host. */
    static List<MultipathMap> of(HostRoot root) {
        return root.classOf("block").children().stream()
                .filter(block -> block.textOrEmpty("dm/uuid").startsWith(UUID_PREFIX))
                .map(
                        block ->
                                new MultipathMap(
                                        block.name(),
                                        block.textOrEmpty("dm/name"),
                                        root.dev().resolve(block.name()),
                                        block.textOrEmpty("dm/uuid")
                                                .substring(UUID_PREFIX.length()),
                                        block.at("slaves").names()))
                .toList();
    }
}
