// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.store.VolumeNotes;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Stream;

/** Describes the disks of a group in its management volume. */
final class Descriptions {
    private Descriptions() {}

    /** Describes the disk of a UUID as it is now, or takes it out. */
    static void describe(GroupState state, ManagementVolume management, UUID uuid) {
        Optional<VolumeId> disk =
                Stream.of(VolumeKind.VHD, VolumeKind.RAW)
                        .map(kind -> new VolumeId(kind, uuid))
                        .filter(id -> state.volume(id).isPresent())
                        .findFirst();
        if (disk.isPresent()) {
            describe(state, management, disk.get());
        } else {
            management.remove(uuid);
        }
    }

    private static void describe(GroupState state, ManagementVolume management, VolumeId id) {
        Map<String, String> before = management.disk(id.uuid()).orElse(Map.of());
        management.put(
                id.uuid(),
                ManagementFields.of(id, state.notes(state.volume(id).orElseThrow()), before));
    }

    /**
     * The attributes of a disk as somebody else has written them into the management volume;
     * nothing when it says what was written here.
     */
    static Optional<Map<String, String>> changed(
            VolumeNotes notes, VolumeId id, ManagementVolume management) {
        Map<String, String> found = management.disk(id.uuid()).orElse(Map.of());
        Map<String, String> written =
                ManagementFormat.asWritten(ManagementFields.of(id, notes, found));
        Map<String, String> attributes = new HashMap<>(notes.attributes());
        boolean changed = false;
        for (String tag : List.of(ManagementFormat.LABEL, ManagementFormat.DESCRIPTION)) {
            if (found.containsKey(tag) && !found.get(tag).equals(written.get(tag))) {
                String key = ManagementFields.attribute(tag);
                attributes.put(key, found.get(tag));
                changed = true;
            }
        }
        return changed ? Optional.of(attributes) : Optional.empty();
    }

    /** Describes all disks, and takes out those that are not there. */
    static void describeAll(GroupState state, ManagementVolume management) {
        Map<UUID, VolumeId> disks = new LinkedHashMap<>();
        for (VolumeId id : state.ids()) {
            if (id.kind().isDisk()) {
                disks.putIfAbsent(id.uuid(), id);
            }
        }
        management.mend(Set.copyOf(disks.keySet()));
        for (UUID uuid : disks.keySet()) {
            describe(state, management, uuid);
        }
    }
}
