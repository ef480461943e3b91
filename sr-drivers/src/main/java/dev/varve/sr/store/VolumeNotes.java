// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.store;

import java.util.Map;

/**
 * What is kept about a volume besides its bytes.
 *
 * @param readOnly whether writing to it is refused
 * @param hidden whether it is an inner node that users do not see
 * @param attributes free text values
 */
public record VolumeNotes(boolean readOnly, boolean hidden, Map<String, String> attributes) {
    /** Those of a volume about which nothing was said. */
    public static final VolumeNotes NONE = new VolumeNotes(false, false, Map.of());

    /** Copies the attributes. */
    public VolumeNotes {
        attributes = Map.copyOf(attributes);
    }

    /** The same marks with other attributes. */
    public VolumeNotes withAttributes(Map<String, String> replaced) {
        return new VolumeNotes(readOnly, hidden, replaced);
    }

    /** The same attributes with other marks. */
    public VolumeNotes withMarks(boolean nowReadOnly, boolean nowHidden) {
        return new VolumeNotes(nowReadOnly, nowHidden, attributes);
    }
}
