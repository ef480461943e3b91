// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.lvm.meta.LvmId;
import dev.varve.sr.lvm.meta.VolumeGroup;
import dev.varve.sr.store.VolumeNotes;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A group at one moment, in the words of stores.
 *
 * <p><b>Threads:</b> any; immutable.
 */
final class GroupState {
    private final VolumeGroup group;
    private final Map<LvmId, Map<String, String>> attributes;
    private final Map<VolumeId, LogicalVolume> volumes = new HashMap<>();
    private final Map<LvmId, VolumeId> ids = new HashMap<>();

    private GroupState(
            GroupState before, VolumeGroup group, Map<LvmId, Map<String, String>> attributes) {
        this.group = group;
        this.attributes = new HashMap<>(attributes);
        for (LogicalVolume volume : group.volumes().values()) {
            name(before, volume)
                    .ifPresent(
                            id -> {
                                volumes.put(id, volume);
                                ids.put(volume.id(), id);
                            });
        }
    }

    /**
     * The state of a group.
     *
     * @param before an earlier one, or null: most names are known from it
     * @param attributes by volume; copied
     */
    static GroupState following(
            GroupState before, VolumeGroup group, Map<LvmId, Map<String, String>> attributes) {
        return new GroupState(before, group, attributes);
    }

    private static Optional<VolumeId> name(GroupState before, LogicalVolume volume) {
        VolumeId known = before == null ? null : before.ids.get(volume.id());
        boolean same = known != null && before.volumes.get(known).name().equals(volume.name());
        return same ? Optional.of(known) : VolumeNames.parse(volume.name());
    }

    VolumeGroup group() {
        return group;
    }

    /** The names of all volumes. */
    Set<VolumeId> ids() {
        return Collections.unmodifiableSet(volumes.keySet());
    }

    /** The logical volume of a name. */
    Optional<LogicalVolume> volume(VolumeId id) {
        return Optional.ofNullable(volumes.get(id));
    }

    /** What a logical volume is called, if it is there. */
    Optional<VolumeId> id(LvmId volume) {
        return Optional.ofNullable(ids.get(volume));
    }

    /** What is known about all volumes. */
    List<VolumeInfo> list() {
        List<VolumeInfo> list = new ArrayList<>(volumes.size());
        volumes.forEach((id, volume) -> list.add(info(id, volume)));
        return list;
    }

    /** What is known about a volume. */
    Optional<VolumeInfo> info(VolumeId id) {
        return volume(id).map(volume -> info(id, volume));
    }

    private VolumeInfo info(VolumeId id, LogicalVolume volume) {
        long bytes = volume.extents() * group.extentBytes();
        VolumeNotes notes = notes(volume);
        return new VolumeInfo(
                id, bytes, bytes, notes.readOnly(), notes.hidden(), notes.attributes());
    }

    /** Marks and attributes of a logical volume. */
    VolumeNotes notes(LogicalVolume volume) {
        return new VolumeNotes(
                !volume.isWritable(),
                volume.tags().contains(VolumeNames.HIDDEN_TAG),
                attributes.getOrDefault(volume.id(), Map.of()));
    }
}
