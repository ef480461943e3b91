// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/**
 * Writes LVM2's configuration text, in the way in which {@code lvm2} writes it to disk: a line for
 * each key, without indentation and comments.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class ConfigWriter {
    private final StringBuilder text = new StringBuilder(512);

    /** Begins a section. */
    ConfigWriter begin(String name) {
        key(name);
        text.append(" {\n");
        return this;
    }

    /** Ends the section that began last. */
    ConfigWriter end() {
        text.append("}\n");
        return this;
    }

    ConfigWriter line() {
        text.append('\n');
        return this;
    }

    ConfigWriter comment(String words) {
        text.append("# ").append(words.replace('\n', ' ')).append('\n');
        return this;
    }

    ConfigWriter put(String key, String value) {
        key(key);
        text.append(" = ");
        string(value);
        return line();
    }

    ConfigWriter put(String key, long value) {
        key(key);
        text.append(" = ").append(value);
        return line();
    }

    ConfigWriter put(String key, List<String> words) {
        key(key);
        text.append(" = [");
        for (int at = 0; at < words.size(); at++) {
            text.append(at == 0 ? "" : ", ");
            string(words.get(at));
        }
        text.append("]\n");
        return this;
    }

    /** A list that is left out when it is empty. */
    ConfigWriter putIfAny(String key, List<String> words) {
        return words.isEmpty() ? this : put(key, words);
    }

    /** Where in a stripe's volume it begins, in the form that segments have for it. */
    ConfigWriter putPlace(String key, String name, long extent) {
        key(key);
        text.append(" = [\n");
        string(name);
        text.append(", ").append(extent).append("\n]\n");
        return this;
    }

    /** Keys that were read without being understood. */
    ConfigWriter putAll(Map<String, ConfigNode> entries) {
        entries.forEach(this::put);
        return this;
    }

    private void put(String key, ConfigNode node) {
        if (node instanceof ConfigNode.Section section) {
            begin(key).putAll(section.entries()).end();
        } else {
            key(key);
            text.append(" = ");
            value(node);
            line();
        }
    }

    private void value(ConfigNode node) {
        switch (node) {
            case ConfigNode.Text string -> string(string.value());
            case ConfigNode.Whole number -> text.append(number.value());
            case ConfigNode.Real number -> text.append(number.literal());
            case ConfigNode.Array array -> array(array.items());
            case ConfigNode.Section section ->
                    throw new IllegalArgumentException("a list holds no section: " + section);
        }
    }

    private void array(List<ConfigNode> items) {
        text.append('[');
        for (int at = 0; at < items.size(); at++) {
            text.append(at == 0 ? "" : ", ");
            value(items.get(at));
        }
        text.append(']');
    }

    private void key(String name) {
        if (ConfigParser.isPlainKey(name)) {
            text.append(name);
        } else {
            string(name);
        }
    }

    private void string(String value) {
        text.append('"');
        for (int at = 0; at < value.length(); at++) {
            char character = value.charAt(at);
            if (character == '"' || character == '\\') {
                text.append('\\');
            }
            text.append(character);
        }
        text.append('"');
    }

    ConfigWriter raw(byte[] bytes) {
        text.append(new String(bytes, StandardCharsets.ISO_8859_1));
        return this;
    }

    /** What was written, one byte for each character. */
    byte[] bytes() {
        return text.toString().getBytes(StandardCharsets.ISO_8859_1);
    }
}
