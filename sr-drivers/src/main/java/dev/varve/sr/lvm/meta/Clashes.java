// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.vdi.ErrorCode;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Devices that claim to be the same: a copy of a device, or a device that is seen in several ways.
 * Whoever writes one of them cannot know which one the others mean.
 */
public final class Clashes {
    private Clashes() {}

    /**
     * A device that has a label.
     *
     * @param name of the device, for messages
     * @param label what it says
     */
    public record Device(String name, Label label) {}

    /**
     * Fails when two devices have the label of one physical volume.
     *
     * @throws dev.varve.vdi.StorageException PV_MULTIPLE_IDS with all devices of one label
     */
    public static void refuseSameVolumes(List<Device> devices) {
        Map<LvmId, List<String>> seen = new LinkedHashMap<>();
        for (Device device : devices) {
            seen.computeIfAbsent(device.label().pv(), id -> new ArrayList<>()).add(device.name());
        }
        seen.forEach(
                (id, names) -> {
                    if (names.size() > 1) {
                        throw ErrorCode.PV_MULTIPLE_IDS.because(
                                ("the devices %s all claim to be the physical volume %s; detach the"
                                                + " copies, or give them other identifiers with"
                                                + " vgimportclone")
                                        .formatted(String.join(", ", names), id));
                    }
                });
    }

    /**
     * Fails when two groups have the same name.
     *
     * @throws dev.varve.vdi.StorageException PV_MULTIPLE_IDS with the identifiers of both
     */
    public static void refuseSameNames(Collection<VolumeGroup> groups) {
        Map<String, VolumeGroup> seen = new LinkedHashMap<>();
        for (VolumeGroup group : groups) {
            VolumeGroup other = seen.putIfAbsent(group.name(), group);
            if (other != null && !other.id().equals(group.id())) {
                throw ErrorCode.PV_MULTIPLE_IDS.because(
                        ("there are two volume groups of the name '%s', %s and %s; detach one of"
                                        + " them, or rename it by its identifier with vgrename")
                                .formatted(group.name(), other.id(), group.id()));
            }
        }
    }
}
