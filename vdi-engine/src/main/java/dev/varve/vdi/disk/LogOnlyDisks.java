// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.Operation;
import dev.varve.vdi.cbt.ChangeTracking;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;

/**
 * Snapshots of which only the log of changed blocks is left. What is known of them is in the
 * attributes of the log's volume, their size in the log.
 *
 * <p><b>Threads:</b> any; calls block.
 */
final class LogOnlyDisks {
    private final VolumeStore store;
    private final ChangeTracking tracking;

    LogOnlyDisks(VolumeStore store, ChangeTracking tracking) {
        this.store = store;
        this.tracking = tracking;
    }

    List<VdiInfo> all(Operation operation) {
        Set<VolumeId> there = store.ids();
        Set<UUID> disks = new HashSet<>();
        there.stream().filter(id -> id.kind().isDisk()).forEach(id -> disks.add(id.uuid()));
        return there.stream()
                .filter(log -> log.kind() == VolumeKind.CBT_LOG && !disks.contains(log.uuid()))
                .flatMap(log -> find(log.uuid(), operation).stream())
                .toList();
    }

    /** One whose data is known not to be there. */
    Optional<VdiInfo> find(UUID vdi, Operation operation) {
        return store.find(new VolumeId(VolumeKind.CBT_LOG, vdi)).map(log -> info(log, operation));
    }

    private VdiInfo info(VolumeInfo log, Operation operation) {
        UUID uuid = log.id().uuid();
        Map<String, String> attributes = log.attributes();
        Optional<Long> size = tracking.sizeBytes(uuid, operation);
        return new VdiInfo(
                uuid,
                VolumeKind.CBT_LOG,
                size.orElse(0L),
                log.allocatedBytes(),
                true,
                true,
                attributes.getOrDefault(DiskAttributes.LABEL, uuid.toString()),
                attributes.getOrDefault(DiskAttributes.DESCRIPTION, ""),
                Optional.empty(),
                DiskAttributes.snapshot(attributes),
                Map.of("vdi_type", "cbtlog"),
                true,
                size.isPresent()
                        ? new VdiState.Valid()
                        : new VdiState.Quarantined("the log of its changed blocks is damaged"));
    }
}
