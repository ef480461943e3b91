// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import com.fasterxml.jackson.databind.node.ObjectNode;

import dev.varve.sr.spi.SrIdentity;
import dev.varve.sr.store.WholeText;

import java.util.Optional;

/**
 * What a repository in a directory keeps about itself.
 *
 * <table>
 * <caption>{@code .varve/sr.json}, besides the fields of {@link Documents}</caption>
 * <tr><th>field</th><th>type</th><th>meaning</th></tr>
 * <tr><td>format</td><td>text</td><td>{@code varve-sr}</td></tr>
 * <tr><td>uuid</td><td>text</td><td>the UUID of the repository</td></tr>
 * <tr><td>label</td><td>text</td><td>its name</td></tr>
 * <tr><td>description</td><td>text</td><td>what a person wrote about it</td></tr>
 * <tr><td>smConfig</td><td>object of texts</td><td>values of the storage manager</td></tr>
 * <tr><td>madeDirectory</td><td>boolean</td><td>the directory was made with the repository and goes
 * with it</td></tr>
 * </table>
 */
record IdentityFile(SrIdentity identity, boolean madeDirectory) {
    static final String NAME = "sr.json";

    private static final String FORMAT = "varve-sr";

    byte[] encode() {
        ObjectNode document =
                Documents.start(FORMAT)
                        .put("uuid", identity.uuid().toString())
                        .put("label", WholeText.of(identity.label()))
                        .put("description", WholeText.of(identity.description()))
                        .put("madeDirectory", madeDirectory);
        Documents.putMap(document, "smConfig", identity.smConfig());
        return Documents.encode(document);
    }

    /** The identity, or nothing when it is damaged. */
    static Optional<IdentityFile> decode(byte[] content) {
        return Documents.decode(content, FORMAT, false)
                .flatMap(
                        document ->
                                Names.uuid(document.path("uuid").asText())
                                        .map(
                                                uuid ->
                                                        new SrIdentity(
                                                                uuid,
                                                                document.path("label").asText(),
                                                                document.path("description")
                                                                        .asText(),
                                                                Documents.map(
                                                                        document, "smConfig")))
                                        .map(
                                                identity ->
                                                        new IdentityFile(
                                                                identity,
                                                                document.path("madeDirectory")
                                                                        .asBoolean())));
    }
}
