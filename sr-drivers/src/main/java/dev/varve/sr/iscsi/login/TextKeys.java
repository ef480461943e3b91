// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.iscsi.login;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Keys and values as login and text carry them (RFC 7143, 6.1): {@code key=value}, each ended by a
 * zero byte, in order.
 *
 * <p><b>Threads:</b> one at a time.
 */
public final class TextKeys {
    /** How many bytes a peer may send in one answer, over all its parts. */
    public static final int MAX_BYTES = 1 << 20;

    private static final int MAX_VALUE_CHARACTERS = 8192;
    private static final Pattern KEY = Pattern.compile("[A-Z][A-Za-z0-9.+@_#-]{0,62}");

    private final List<Entry> entries = new ArrayList<>();

    /**
     * A key and its value.
     *
     * @param key what it is
     * @param value what it says, perhaps empty
     */
    public record Entry(String key, String value) {}

    /** Reads what a peer has sent. */
    public static TextKeys parse(byte[] bytes) throws LoginProtocolException {
        TextKeys keys = new TextKeys();
        int start = 0;
        for (int at = 0; at < bytes.length; at++) {
            if (bytes[at] == 0) {
                keys.parseEntry(new String(bytes, start, at - start, StandardCharsets.UTF_8));
                start = at + 1;
            }
        }
        if (start != bytes.length) {
            throw new LoginProtocolException("its keys do not end with a zero byte");
        }
        return keys;
    }

    private void parseEntry(String text) throws LoginProtocolException {
        if (text.isEmpty()) {
            return; // some targets pad with zeros
        }
        int equals = text.indexOf('=');
        if (equals < 0 || !KEY.matcher(text.substring(0, equals)).matches()) {
            throw new LoginProtocolException("it sent something that is not key=value");
        }
        if (text.length() - equals - 1 > MAX_VALUE_CHARACTERS) {
            throw new LoginProtocolException("the value of its key is too long");
        }
        put(text.substring(0, equals), text.substring(equals + 1));
    }

    /** Adds a key. */
    public TextKeys put(String key, String value) {
        entries.add(new Entry(key, value));
        return this;
    }

    /** Adds a key with a number. */
    public TextKeys put(String key, int value) {
        return put(key, Integer.toString(value));
    }

    /** All of them, in order. */
    public List<Entry> entries() {
        return List.copyOf(entries);
    }

    /** The value of a key, where it is there; it must not be there twice. */
    public Optional<String> get(String key) throws LoginProtocolException {
        String found = null;
        for (Entry entry : entries) {
            if (entry.key().equals(key)) {
                if (found != null) {
                    throw new LoginProtocolException("it sent " + key + " twice");
                }
                found = entry.value();
            }
        }
        return Optional.ofNullable(found);
    }

    /** The value of a key that has to be there. */
    public String require(String key) throws LoginProtocolException {
        return get(key).orElseThrow(() -> new LoginProtocolException("it did not send " + key));
    }

    /** As they go on the wire. */
    public byte[] encode() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (Entry entry : entries) {
            bytes.writeBytes((entry.key() + "=" + entry.value()).getBytes(StandardCharsets.UTF_8));
            bytes.write(0);
        }
        return bytes.toByteArray();
    }
}
