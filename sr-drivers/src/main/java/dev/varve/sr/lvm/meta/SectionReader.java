// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.vdi.ErrorCode;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * Takes the keys that are known out of a section; what is left is kept as it is.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class SectionReader {
    private final SequencedMap<String, ConfigNode> entries;
    private final String path;

    /**
     * @param path the section and where it is, for messages: {@code 'pv0' of ...}
     */
    SectionReader(ConfigNode.Section section, String path) {
        this.entries = new LinkedHashMap<>(section.entries());
        this.path = path;
    }

    /** The section and where it is. */
    String path() {
        return path;
    }

    /** A number from 0 to a maximum. */
    long number(String key, long maximum) {
        ConfigNode node = entries.remove(key);
        if (node == null) {
            throw failure("has no '%s'".formatted(key));
        }
        if (!(node instanceof ConfigNode.Whole(long value)) || value < 0 || value > maximum) {
            throw failure("has a '%s' that is no number from 0 to %d".formatted(key, maximum));
        }
        return value;
    }

    long number(String key, long maximum, long otherwise) {
        return entries.containsKey(key) ? number(key, maximum) : otherwise;
    }

    String text(String key) {
        ConfigNode node = entries.remove(key);
        if (node == null) {
            throw failure("has no '%s'".formatted(key));
        }
        if (!(node instanceof ConfigNode.Text(String value))) {
            throw failure("has a '%s' that is no string".formatted(key));
        }
        return value;
    }

    String text(String key, String otherwise) {
        return entries.containsKey(key) ? text(key) : otherwise;
    }

    LvmId id() {
        String text = text("id");
        if (!LvmId.isValid(text)) {
            throw failure("has the id '%s', which is none".formatted(ConfigParser.shown(text)));
        }
        return new LvmId(text);
    }

    /** A list of words, or a word by itself; empty where there is none. */
    List<String> words(String key) {
        ConfigNode node = entries.remove(key);
        List<String> words = new ArrayList<>();
        for (ConfigNode item : itemsOf(node)) {
            if (!(item instanceof ConfigNode.Text(String value))) {
                throw failure("has a '%s' that is no list of strings".formatted(key));
            }
            words.add(value);
        }
        return words;
    }

    /** Values and the like, which stay where they are. */
    List<ConfigNode> items(String key) {
        return itemsOf(entries.get(key));
    }

    private static List<ConfigNode> itemsOf(ConfigNode node) {
        return switch (node) {
            case null -> List.of();
            case ConfigNode.Array array -> array.items();
            case ConfigNode other -> List.of(other);
        };
    }

    /** A section; empty where there is none. */
    ConfigNode.Section section(String key) {
        ConfigNode node = entries.remove(key);
        return switch (node) {
            case null -> ConfigNode.Section.of(Map.of());
            case ConfigNode.Section section -> section;
            case ConfigNode other -> throw failure("has a '%s' that is no section".formatted(key));
        };
    }

    /** What was not taken. */
    Map<String, ConfigNode> rest() {
        return entries.isEmpty() ? Map.of() : new ConfigNode.Section(entries).entries();
    }

    /** Takes a key that says nothing new. */
    void drop(String key) {
        entries.remove(key);
    }

    boolean isEmpty() {
        return entries.isEmpty();
    }

    RuntimeException failure(String what) {
        return ErrorCode.SR_METADATA.because(
                "the metadata is damaged: %s %s".formatted(path, what));
    }
}
