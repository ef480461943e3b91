// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.store;

import java.util.Map;

/**
 * What a store tells about a volume.
 *
 * @param sizeBytes how many bytes can be addressed in it
 * @param allocatedBytes how much space it takes in the store
 * @param readOnly whether writing to it is refused
 * @param hidden whether it is an inner node that users do not see
 * @param attributes free text values kept next to the volume; empty when they were lost
 */
public record VolumeInfo(
        VolumeId id,
        long sizeBytes,
        long allocatedBytes,
        boolean readOnly,
        boolean hidden,
        Map<String, String> attributes) {
    /** Copies the attributes. */
    public VolumeInfo {
        attributes = Map.copyOf(attributes);
    }
}
