// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import com.fasterxml.jackson.databind.node.ObjectNode;

import dev.varve.sr.store.VolumeNotes;

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
final class Sidecar {
    private static final String FORMAT = "varve-volume";

    private Sidecar() {}

    static byte[] encode(VolumeNotes notes) {
        ObjectNode document =
                Documents.start(FORMAT)
                        .put("readOnly", notes.readOnly())
                        .put("hidden", notes.hidden());
        Documents.putMap(document, "attributes", notes.attributes());
        return Documents.encode(document);
    }

    /** What a sidecar says, or nothing when it is damaged. */
    static Optional<VolumeNotes> decode(byte[] content) {
        return Documents.decode(content, FORMAT, false)
                .map(
                        document ->
                                new VolumeNotes(
                                        document.path("readOnly").asBoolean(),
                                        document.path("hidden").asBoolean(),
                                        Documents.map(document, "attributes")));
    }
}
