// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.store.VolumeKind;

import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * A disk, as it is found on storage.
 *
 * @param kind the format: {@link VolumeKind#VHD} or {@link VolumeKind#RAW}; {@link
 *     VolumeKind#CBT_LOG} when only the log of its changed blocks is left
 * @param virtualSizeBytes how large the disk looks to its user
 * @param physicalUtilisationBytes how much space it takes
 * @param readOnly whether it may only be read
 * @param managed whether users may use it; false for inner nodes
 * @param label its name; the UUID's text when the name was lost
 * @param description what a person wrote about it
 * @param parent the node below it
 * @param snapshot what makes it a snapshot, if it is one
 * @param smConfig values of the storage manager: {@code vdi_type}, {@code vhd-parent}, {@code
 *     allocation}
 * @param cbtEnabled whether there is a log of its changed blocks
 * @param state whether its image is in order
 */
public record VdiInfo(
        UUID uuid,
        VolumeKind kind,
        long virtualSizeBytes,
        long physicalUtilisationBytes,
        boolean readOnly,
        boolean managed,
        String label,
        String description,
        Optional<UUID> parent,
        Optional<SnapshotMark> snapshot,
        Map<String, String> smConfig,
        boolean cbtEnabled,
        VdiState state) {
    /** Copies the map. */
    public VdiInfo {
        smConfig = Map.copyOf(smConfig);
    }

    /** Whether nothing is kept about it next to its image: it has the name that it has then. */
    public boolean hasNoNotes() {
        return managed && snapshot.isEmpty() && label.equals(uuid.toString());
    }

    /** The same with what somebody remembers about it. */
    public VdiInfo with(DiskNotes notes) {
        return new VdiInfo(
                uuid,
                kind,
                virtualSizeBytes,
                physicalUtilisationBytes,
                notes.readOnly(),
                managed,
                notes.label(),
                notes.description(),
                parent,
                notes.snapshot(),
                smConfig,
                cbtEnabled,
                state);
    }
}
