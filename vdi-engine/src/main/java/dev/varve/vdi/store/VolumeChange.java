// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.store;

import java.util.Map;

/** One of the changes that {@link VolumeStore#commit} makes together. */
public sealed interface VolumeChange {
    /** Makes an empty volume whose bytes read as zero. */
    record Create(VolumeId id, long sizeBytes, Map<String, String> attributes)
            implements VolumeChange {
        /** Copies the attributes. */
        public Create {
            attributes = Map.copyOf(attributes);
        }
    }

    /** Renames a volume; a volume that has the new name already is replaced. */
    record Rename(VolumeId from, VolumeId to) implements VolumeChange {}

    /** Removes a volume. That there is none is not an error. */
    record Delete(VolumeId id) implements VolumeChange {}

    /** Replaces the attributes of a volume. */
    record SetAttributes(VolumeId id, Map<String, String> attributes) implements VolumeChange {
        /** Copies the attributes. */
        public SetAttributes {
            attributes = Map.copyOf(attributes);
        }
    }

    /** Sets or clears the marks of a volume. */
    record SetMarks(VolumeId id, boolean readOnly, boolean hidden) implements VolumeChange {}
}
