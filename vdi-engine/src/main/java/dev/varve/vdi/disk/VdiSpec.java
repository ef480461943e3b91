// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.store.VolumeKind;

import java.util.UUID;

/**
 * A disk to be made.
 *
 * @param kind the format: {@link VolumeKind#VHD} or {@link VolumeKind#RAW}
 * @param virtualSizeBytes how large it should be; rounded up to what the format can do
 * @param thick whether it gets all its room at once, where the store does not take room only when
 *     something is written anyway
 */
public record VdiSpec(
        UUID uuid,
        VolumeKind kind,
        long virtualSizeBytes,
        String label,
        String description,
        boolean readOnly,
        boolean thick) {
    /** A disk that gets room when it is written. */
    public VdiSpec(
            UUID uuid,
            VolumeKind kind,
            long virtualSizeBytes,
            String label,
            String description,
            boolean readOnly) {
        this(uuid, kind, virtualSizeBytes, label, description, readOnly, false);
    }
}
