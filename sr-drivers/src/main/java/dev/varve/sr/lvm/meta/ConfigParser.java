// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm.meta;

import dev.varve.vdi.ErrorCode;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * Reads LVM2's configuration text.
 *
 * <pre>
 * file    = { entry } [ zero byte ]
 * entry   = key "=" value | key "{" { entry } "}"
 * value   = item | "[" [ item { "," item } [ "," ] ] "]"
 * item    = number | string
 * key     = letters, digits and _ . - + / , or a string
 * number  = [ "-" | "+" ] digits [ "." digits ]
 * string  = '"' ... '"' where \ takes the next character as it is, or "'" ... "'" without escapes
 * comment = "#" up to the end of the line, anywhere between the others
 * </pre>
 *
 * <p>Text may come from anyone who can write the device, so depth, the number of entries and
 * numbers are bounded, and a key that comes twice in a section is an error: {@code lvm2} would take
 * one of the two, and it is not for us to say which.
 *
 * <p>Strings are kept as one character for each byte, whatever their encoding is, so that they are
 * written again as they were.
 *
 * <p><b>Threads:</b> one at a time.
 */
final class ConfigParser {
    static final int MAXIMUM_DEPTH = 16;
    static final int MAXIMUM_ENTRIES = 2_000_000;

    private final byte[] text;
    private final int length;
    private final String where;
    private int at;
    private int entries;

    private ConfigParser(byte[] text, String where) {
        this.text = text;
        this.length = lengthOf(text);
        this.where = where;
    }

    /** A zero byte ends the text. */
    private static int lengthOf(byte[] text) {
        int length = 0;
        while (length < text.length && text[length] != 0) {
            length++;
        }
        return length;
    }

    /**
     * The entries of a text.
     *
     * @param where what is read, for messages
     * @throws dev.varve.vdi.StorageException SR_METADATA with the line that is not understood
     */
    static ConfigNode.Section parse(byte[] text, String where) {
        ConfigParser parser = new ConfigParser(text, where);
        ConfigNode.Section all = parser.section(0);
        if (parser.at < parser.length) {
            throw parser.failure("'}' ends no section");
        }
        return all;
    }

    /** Whether a key needs no quotes. */
    static boolean isPlainKey(String key) {
        for (int at = 0; at < key.length(); at++) {
            if (!isKeyByte(key.charAt(at))) {
                return false;
            }
        }
        return !key.isEmpty();
    }

    private ConfigNode.Section section(int depth) {
        if (depth > MAXIMUM_DEPTH) {
            throw failure("sections are nested more than %d deep".formatted(MAXIMUM_DEPTH));
        }
        SequencedMap<String, ConfigNode> found = new LinkedHashMap<>();
        for (skip(); at < length && text[at] != '}'; skip()) {
            String key = key();
            skip();
            ConfigNode node = node(key, depth);
            if (found.putIfAbsent(key, node) != null) {
                throw failure("'%s' comes twice".formatted(shown(key)));
            }
        }
        return new ConfigNode.Section(found);
    }

    private ConfigNode node(String key, int depth) {
        count();
        if (accept('{')) {
            ConfigNode.Section section = section(depth + 1);
            if (!accept('}')) {
                throw failure("the section '%s' does not end".formatted(shown(key)));
            }
            return section;
        }
        if (!accept('=')) {
            throw failure("'%s' is followed by neither '=' nor '{'".formatted(shown(key)));
        }
        skip();
        return accept('[') ? array() : item();
    }

    private ConfigNode array() {
        List<ConfigNode> items = new ArrayList<>();
        for (skip(); !accept(']'); skip()) {
            count();
            items.add(item());
            skip();
            if (!accept(',') && (at >= length || text[at] != ']')) {
                throw failure("a list has neither ',' nor ']' behind a value");
            }
        }
        return new ConfigNode.Array(items);
    }

    private ConfigNode item() {
        if (at >= length) {
            throw failure("the text ends where a value should be");
        }
        return isQuote(text[at]) ? new ConfigNode.Text(string()) : number();
    }

    private ConfigNode number() {
        int start = at;
        if (text[at] == '-' || text[at] == '+') {
            at++;
        }
        int digits = digits();
        boolean fraction = at < length && text[at] == '.';
        if (fraction) {
            at++;
            digits += digits();
        }
        String literal = latin(start, at);
        if (digits == 0 || (at < length && isKeyByte(text[at]))) {
            throw failure("neither a number nor a string");
        }
        return fraction ? new ConfigNode.Real(literal) : new ConfigNode.Whole(whole(literal));
    }

    private int digits() {
        int start = at;
        while (at < length && text[at] >= '0' && text[at] <= '9') {
            at++;
        }
        return at - start;
    }

    private long whole(String literal) {
        try {
            return Long.parseLong(literal);
        } catch (NumberFormatException tooLarge) {
            throw ErrorCode.SR_METADATA.because(
                    message("the number %s is too large".formatted(shown(literal))), tooLarge);
        }
    }

    private String key() {
        if (isQuote(text[at])) {
            return string();
        }
        int start = at;
        while (at < length && isKeyByte(text[at])) {
            at++;
        }
        if (at == start) {
            throw failure("no key begins with '%s'".formatted(shown(latin(at, at + 1))));
        }
        return latin(start, at);
    }

    private String string() {
        byte quote = text[at++];
        int start = at;
        boolean escaped = false;
        while (at < length && text[at] != quote) {
            if (quote == '"' && text[at] == '\\') {
                escaped = true;
                at++;
            }
            at++;
        }
        if (at >= length) {
            at = start;
            throw failure("a string does not end");
        }
        String raw = latin(start, at++);
        return escaped ? unescaped(raw) : raw;
    }

    private static String unescaped(String raw) {
        StringBuilder value = new StringBuilder(raw.length());
        for (int at = 0; at < raw.length(); at++) {
            if (raw.charAt(at) == '\\') {
                at++;
            }
            value.append(raw.charAt(at));
        }
        return value.toString();
    }

    private String latin(int start, int end) {
        return new String(text, start, end - start, StandardCharsets.ISO_8859_1);
    }

    private void count() {
        if (++entries > MAXIMUM_ENTRIES) {
            throw failure("there are more than %d entries".formatted(MAXIMUM_ENTRIES));
        }
    }

    private boolean accept(char expected) {
        if (at < length && text[at] == expected) {
            at++;
            return true;
        }
        return false;
    }

    /** Passes over white space and comments. */
    private void skip() {
        while (at < length) {
            if (text[at] == '#') {
                while (at < length && text[at] != '\n') {
                    at++;
                }
            } else if (text[at] == ' ' || (text[at] >= '\t' && text[at] <= '\r')) {
                at++;
            } else {
                return;
            }
        }
    }

    private static boolean isQuote(byte value) {
        return value == '"' || value == '\'';
    }

    private static boolean isKeyByte(int value) {
        return LvmNames.isLetterOrDigit(value)
                || value == '_'
                || value == '-'
                || value == '.'
                || value == '+'
                || value == '/';
    }

    /** Names from a damaged text may be long or contain anything. */
    static String shown(String name) {
        String printable = name.replaceAll("[^ -~]", "?");
        return printable.length() <= 200 ? printable : printable.substring(0, 200) + "...";
    }

    private RuntimeException failure(String what) {
        return ErrorCode.SR_METADATA.because(message(what));
    }

    private String message(String what) {
        int line = 1;
        for (int before = 0; before < Math.min(at, length); before++) {
            if (text[before] == '\n') {
                line++;
            }
        }
        return "the metadata text of %s is damaged at line %d: %s".formatted(where, line, what);
    }
}
