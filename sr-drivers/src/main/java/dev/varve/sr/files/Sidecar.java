// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import com.fasterxml.jackson.databind.node.ObjectNode;

import java.util.Map;
import java.util.Optional;

/**
 * What is kept about a volume next to it. A volume without a sidecar has no attributes and no
 * marks.
 *
 * <table>
 * <caption>{@code .varve/volumes/<volume>.json}, besides the fields of {@link Documents}</caption>
 * <tr><th>field</th><th>type</th><th>meaning</th></tr>
 * <tr><td>format</td><td>text</td><td>{@code varve-volume}</td></tr>
 * <tr><td>readOnly</td><td>boolean</td><td>writing is refused</td></tr>
 * <tr><td>hidden</td><td>boolean</td><td>an inner node</td></tr>
 * <tr><td>attributes</td><td>object of texts</td><td>the attribute map of the volume</td></tr>
 * </table>
 */
record Sidecar(boolean readOnly, boolean hidden, Map<String, String> attributes) {
    static final Sidecar EMPTY = new Sidecar(false, false, Map.of());

    private static final String FORMAT = "varve-volume";

    Sidecar {
        attributes = Map.copyOf(attributes);
    }

    Sidecar withAttributes(Map<String, String> replaced) {
        return new Sidecar(readOnly, hidden, replaced);
    }

    Sidecar withMarks(boolean nowReadOnly, boolean nowHidden) {
        return new Sidecar(nowReadOnly, nowHidden, attributes);
    }

    byte[] encode() {
        ObjectNode document =
                Documents.start(FORMAT).put("readOnly", readOnly).put("hidden", hidden);
        Documents.putMap(document, "attributes", attributes);
        return Documents.encode(document);
    }

    /** The sidecar, or nothing when it is damaged. */
    static Optional<Sidecar> decode(byte[] content) {
        return Documents.decode(content, FORMAT, false)
                .map(
                        document ->
                                new Sidecar(
                                        document.path("readOnly").asBoolean(),
                                        document.path("hidden").asBoolean(),
                                        Documents.map(document, "attributes")));
    }
}
