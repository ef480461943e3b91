// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd;

import java.util.List;

/**
 * Something that is told about an image, in a form that both people and programs can be shown.
 *
 * <p>The label is for people, the key for programs.
 */
public sealed interface VhdFact {
    /** Its name for people. */
    String label();

    /** Its name for programs. */
    String key();

    /**
     * A single one.
     *
     * @param value a String, a Number or a Boolean
     * @param text the same for people
     */
    record Value(String label, String key, Object value, String text) implements VhdFact {}

    /** Several that belong together. */
    record Group(String label, String key, List<VhdFact> facts) implements VhdFact {
        /** Copies the list. */
        public Group {
            facts = List.copyOf(facts);
        }
    }

    /** The same facts about several things. */
    record Rows(String label, String key, List<List<Value>> rows) implements VhdFact {
        /** Copies the list. */
        public Rows {
            rows = List.copyOf(rows);
        }
    }

    /** A fact that looks the same to people and programs. */
    static Value plain(String label, String key, Object value) {
        return new Value(label, key, value, value.toString());
    }

    /** A yes or no. */
    static Value flag(String label, String key, boolean value) {
        return new Value(label, key, value, value ? "yes" : "no");
    }

    /** A number of bytes. */
    static Value bytes(String label, String key, long bytes) {
        String[] units = {"KiB", "MiB", "GiB", "TiB"};
        long scaled = bytes;
        int unit = -1;
        while (unit < units.length - 1 && scaled != 0 && scaled % 1024 == 0) {
            scaled /= 1024;
            unit++;
        }
        String text = unit < 0 ? bytes + " bytes" : scaled + " " + units[unit];
        return new Value(label, key, bytes, unit < 0 ? text : text + " (" + bytes + " bytes)");
    }
}
