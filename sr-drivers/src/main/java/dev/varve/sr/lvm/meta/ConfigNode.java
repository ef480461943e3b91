// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * A value or a section of LVM2's configuration text, kept as it was read where the model has no
 * field for it, so that writing a group again loses nothing.
 *
 * <p><b>Threads:</b> any; immutable.
 */
public sealed interface ConfigNode {
    /** A string, without its quotes and escapes; one character for each byte. */
    record Text(String value) implements ConfigNode {}

    /** A whole number. */
    record Whole(long value) implements ConfigNode {}

    /** A number with a fraction, as it was written: the format of groups has none so far. */
    record Real(String literal) implements ConfigNode {}

    /** A list of values. */
    record Array(List<ConfigNode> items) implements ConfigNode {
        /** Copies the list. */
        public Array {
            items = List.copyOf(items);
        }
    }

    /** Named values and sections, in order. */
    record Section(SequencedMap<String, ConfigNode> entries) implements ConfigNode {
        /** Copies the map, with its order. */
        public Section {
            entries = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(entries));
        }

        /** A section of a map whose order does not matter. */
        static Section of(Map<String, ConfigNode> entries) {
            return new Section(new LinkedHashMap<>(entries));
        }
    }
}
