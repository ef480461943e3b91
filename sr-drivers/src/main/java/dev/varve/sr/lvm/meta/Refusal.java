// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Why a group must not be written here: whoever writes a group has to understand all of it, and the
 * hosts that use it have to agree on who that is.
 */
final class Refusal {
    private static final Set<String> GROUP_STATUS = Set.of("RESIZEABLE", "READ", "WRITE");
    private static final Set<String> PHYSICAL_STATUS = Set.of("ALLOCATABLE");
    private static final Set<String> VOLUME_STATUS = Set.of("READ", "WRITE", "VISIBLE");
    private static final Set<String> VOLUME_FLAGS = Set.of("ACTIVATION_SKIP", "NOAUTOACTIVATE");

    private Refusal() {}

    static Optional<String> of(
            VolumeGroup.Head group,
            Collection<PhysicalVolume> physicalVolumes,
            Collection<LogicalVolume> volumes) {
        return ofHead(group)
                .or(() -> ofPhysicalVolumes(physicalVolumes))
                .or(() -> ofVolumes(volumes))
                .map(reason -> "The volume group '%s' %s.".formatted(group.name(), reason));
    }

    private static Optional<String> ofHead(VolumeGroup.Head group) {
        if (group.status().contains("EXPORTED")) {
            return Optional.of(
                    "is exported; import it with vgimport on the host that is to have it");
        }
        if (group.status().contains("CLUSTERED")) {
            return Optional.of("is written by a cluster of hosts under clvmd");
        }
        return unknown(group.status(), GROUP_STATUS)
                .map(word -> "has the status %s, which is not known here".formatted(word))
                .or(() -> ofGroupFlags(group))
                .or(() -> ofLock(group))
                .or(() -> ofSystem(group))
                .or(() -> ofGroupPermission(group));
    }

    private static Optional<String> ofGroupFlags(VolumeGroup.Head group) {
        return unknown(group.flags(), Set.of())
                .map(word -> "has the flag %s, which is not known here".formatted(word));
    }

    private static Optional<String> ofGroupPermission(VolumeGroup.Head group) {
        return group.status().contains("WRITE")
                ? Optional.empty()
                : Optional.of("may only be read; vgchange --permission rw changes that");
    }

    private static Optional<String> ofLock(VolumeGroup.Head group) {
        return otherText(group, "lock_type")
                .filter(type -> !type.equals("none"))
                .map(type -> "is shared by hosts under the lock manager '%s'".formatted(type));
    }

    private static Optional<String> ofSystem(VolumeGroup.Head group) {
        return otherText(group, "system_id")
                .filter(system -> !system.isEmpty())
                .map(system -> "belongs to the host with the system ID '%s'".formatted(system));
    }

    private static Optional<String> otherText(VolumeGroup.Head group, String key) {
        return group.other().get(key) instanceof ConfigNode.Text text
                ? Optional.of(text.value())
                : Optional.empty();
    }

    private static Optional<String> ofPhysicalVolumes(Collection<PhysicalVolume> pvs) {
        for (PhysicalVolume pv : pvs) {
            Optional<String> reason = ofPhysicalVolume(pv);
            if (reason.isPresent()) {
                return reason;
            }
        }
        return Optional.empty();
    }

    private static Optional<String> ofPhysicalVolume(PhysicalVolume pv) {
        if (pv.isMissing()) {
            return Optional.of(
                    "misses its physical volume '%s' (%s)".formatted(pv.name(), pv.id()));
        }
        return unknown(pv.status(), PHYSICAL_STATUS)
                .or(() -> unknown(pv.flags(), Set.of()))
                .map(
                        word ->
                                "has a physical volume '%s' that is marked %s, which is not known here"
                                        .formatted(pv.name(), word));
    }

    private static Optional<String> ofVolumes(Collection<LogicalVolume> volumes) {
        for (LogicalVolume volume : volumes) {
            Optional<String> reason = ofVolume(volume);
            if (reason.isPresent()) {
                return reason;
            }
        }
        return Optional.empty();
    }

    private static Optional<String> ofVolume(LogicalVolume volume) {
        for (Segment segment : volume.segments()) {
            if (segment instanceof Segment.Other other) {
                return Optional.of(
                        "has a logical volume '%s' of type '%s'; only linear ones are served"
                                .formatted(volume.name(), other.type()));
            }
        }
        return unknown(volume.status(), VOLUME_STATUS)
                .or(() -> unknown(volume.flags(), VOLUME_FLAGS))
                .map(
                        word ->
                                "has a logical volume '%s' that is marked %s, which is not known here"
                                        .formatted(volume.name(), word));
    }

    private static Optional<String> unknown(List<String> words, Set<String> known) {
        for (String word : words) {
            if (!known.contains(word)) {
                return Optional.of(word);
            }
        }
        return Optional.empty();
    }
}
