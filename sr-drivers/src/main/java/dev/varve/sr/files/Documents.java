// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

import dev.varve.sr.store.WholeText;

import java.io.IOException;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.zip.CRC32C;

/**
 * The form of all small files of a repository: one JSON object of three fixed fields and what the
 * kind of file adds.
 *
 * <table>
 * <caption>fields of every document</caption>
 * <tr><th>field</th><th>type</th><th>meaning</th></tr>
 * <tr><td>format</td><td>text</td><td>what kind of file it is</td></tr>
 * <tr><td>version</td><td>number</td><td>1; a reader refuses what is newer than itself</td></tr>
 * <tr><td>...</td><td></td><td>fields of the kind</td></tr>
 * <tr><td>crc32c</td><td>text</td><td>CRC-32C of the object without this field, written in UTF-8 and
 * without white space, as 8 hexadecimal digits</td></tr>
 * </table>
 *
 * <p>Any text survives, but for halves of surrogate pairs, which are no text and become U+FFFD: a
 * JSON parser would refuse the whole document because of one.
 *
 * <p>A person who edits a file removes {@code crc32c}: a document without it is taken as it is,
 * except for journals.
 */
final class Documents {
    private static final String FORMAT = "format";
    private static final String VERSION = "version";
    private static final String CHECKSUM = "crc32c";
    private static final int PRESENT_VERSION = 1;
    private static final JsonMapper JSON =
            JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

    private Documents() {}

    /** A document to be filled. */
    static ObjectNode start(String format) {
        return JSON.createObjectNode().put(FORMAT, format).put(VERSION, PRESENT_VERSION);
    }

    /** The bytes of a document, with its checksum. */
    static byte[] encode(ObjectNode document) {
        ObjectNode sealed = document.deepCopy();
        sealed.put(CHECKSUM, checksum(document));
        return bytes(sealed);
    }

    /**
     * The document, or nothing when it is damaged, of another format, or newer than this reader.
     */
    static Optional<ObjectNode> decode(byte[] content, String format, boolean checksumRequired) {
        try {
            if (!(JSON.readTree(content) instanceof ObjectNode document)
                    || !document.path(FORMAT).asText().equals(format)
                    || document.path(VERSION).asInt() != PRESENT_VERSION) {
                return Optional.empty();
            }
            JsonNode checksum = document.remove(CHECKSUM);
            boolean right =
                    checksum == null
                            ? !checksumRequired
                            : checksum.asText().equals(checksum(document));
            return right ? Optional.of(document) : Optional.empty();
        } catch (IOException e) {
            // Not JSON at all: that is the answer, not a failure to hand on.
            return Optional.empty();
        }
    }

    private static String checksum(ObjectNode document) {
        CRC32C crc = new CRC32C();
        crc.update(bytes(document));
        return HexFormat.of().toHexDigits((int) crc.getValue());
    }

    private static byte[] bytes(ObjectNode document) {
        try {
            return JSON.writeValueAsBytes(document);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree of JSON nodes cannot be written", e);
        }
    }

    /** Puts a map of texts, in the order of its keys. */
    static void putMap(ObjectNode document, String field, Map<String, String> values) {
        ObjectNode node = document.putObject(field);
        new TreeMap<>(values)
                .forEach((key, value) -> node.put(WholeText.of(key), WholeText.of(value)));
    }

    /** A map of texts; empty when it is not there. */
    static Map<String, String> map(ObjectNode document, String field) {
        Map<String, String> values = new TreeMap<>();
        document.path(field)
                .properties()
                .forEach(entry -> values.put(entry.getKey(), entry.getValue().asText()));
        return values;
    }
}
