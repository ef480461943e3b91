// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import dev.varve.sr.lvm.meta.LvmId;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.sr.store.WholeText;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;

/**
 * What daemons ask of the owner of a group, and what it answers, as JSON.
 *
 * <table>
 * <caption>requests</caption>
 * <tr><th>{@code do}</th><th>other fields</th><th>value of the answer</th></tr>
 * <tr><td>{@code commit}</td><td>{@code host}; {@code changes}: objects of {@code change} ({@code
 * create}, {@code rename}, {@code delete}, {@code attributes}, {@code marks}), {@code kind}, {@code
 * uuid} and what the change needs</td><td>0</td></tr>
 * <tr><td>{@code grow}</td><td>{@code sizes}: bytes by the identifier of a logical volume</td>
 * <td>{@code failures}: errors by identifier</td></tr>
 * <tr><td>{@code shrink}</td><td>{@code volume}, {@code size}</td><td></td></tr>
 * <tr><td>{@code reserve}</td><td>{@code bytes}</td><td>{@code bytes} that came free</td></tr>
 * <tr><td>{@code identity}</td><td>{@code uuid}, {@code label}, {@code description}, {@code
 * smConfig}</td><td></td></tr>
 * </table>
 *
 * <p>An answer is an object with what the table says, or with {@code error}: {@code code} and
 * {@code params} of the {@link StorageException}.
 *
 * <p><b>Threads:</b> any.
 */
final class OwnerRequests {
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final String ERROR = "error";

    private OwnerRequests() {}

    // ---- requests

    static ObjectNode request(String what) {
        return JSON.createObjectNode().put("do", what);
    }

    static ObjectNode commit(List<VolumeChange> changes, UUID host) {
        ObjectNode request = request("commit").put("host", host.toString());
        ArrayNode list = request.putArray("changes");
        changes.forEach(change -> put(list.addObject(), change));
        return request;
    }

    static ObjectNode grow(Map<LvmId, Long> sizes) {
        ObjectNode request = request("grow");
        ObjectNode node = request.putObject("sizes");
        sizes.forEach((volume, size) -> node.put(volume.text(), size));
        return request;
    }

    static ObjectNode identity(SrIdentity identity) {
        ObjectNode request =
                request("identity")
                        .put("uuid", identity.uuid().toString())
                        .put("label", WholeText.of(identity.label()))
                        .put("description", WholeText.of(identity.description()));
        putMap(request, "smConfig", identity.smConfig());
        return request;
    }

    private static void put(ObjectNode node, VolumeChange change) {
        switch (change) {
            case VolumeChange.Create create -> {
                start(node, "create", create.id()).put("size", create.sizeBytes());
                putMap(node, "attributes", create.attributes());
            }
            case VolumeChange.Rename rename ->
                    start(node, "rename", rename.from())
                            .put("toKind", rename.to().kind().name())
                            .put("toUuid", rename.to().uuid().toString());
            case VolumeChange.Delete delete -> start(node, "delete", delete.id());
            case VolumeChange.SetAttributes set ->
                    putMap(start(node, "attributes", set.id()), "attributes", set.attributes());
            case VolumeChange.SetMarks set ->
                    start(node, "marks", set.id())
                            .put("readOnly", set.readOnly())
                            .put("hidden", set.hidden());
        }
    }

    private static ObjectNode start(ObjectNode node, String change, VolumeId id) {
        return node.put("change", change)
                .put("kind", id.kind().name())
                .put("uuid", id.uuid().toString());
    }

    private static void putMap(ObjectNode node, String field, Map<String, String> map) {
        ObjectNode values = node.putObject(field);
        new TreeMap<>(map)
                .forEach((key, value) -> values.put(WholeText.of(key), WholeText.of(value)));
    }

    static List<VolumeChange> changes(JsonNode request) {
        List<VolumeChange> changes = new ArrayList<>();
        request.path("changes").forEach(node -> changes.add(change(node)));
        return changes;
    }

    private static VolumeChange change(JsonNode node) {
        VolumeId id = id(node.path("kind"), node.path("uuid"));
        String change = node.path("change").asText();
        return switch (change) {
            case "create" ->
                    new VolumeChange.Create(
                            id, node.path("size").asLong(), map(node, "attributes"));
            case "rename" ->
                    new VolumeChange.Rename(id, id(node.path("toKind"), node.path("toUuid")));
            case "delete" -> new VolumeChange.Delete(id);
            case "attributes" -> new VolumeChange.SetAttributes(id, map(node, "attributes"));
            case "marks" ->
                    new VolumeChange.SetMarks(
                            id, node.path("readOnly").asBoolean(), node.path("hidden").asBoolean());
            default -> throw notUnderstood("the change '" + change + "'", null);
        };
    }

    private static VolumeId id(JsonNode kind, JsonNode uuid) {
        return new VolumeId(VolumeKind.valueOf(kind.asText()), UUID.fromString(uuid.asText()));
    }

    private static Map<String, String> map(JsonNode node, String field) {
        Map<String, String> map = new LinkedHashMap<>();
        node.path(field)
                .properties()
                .forEach(entry -> map.put(entry.getKey(), entry.getValue().asText()));
        return map;
    }

    static Map<LvmId, Long> sizes(JsonNode request) {
        Map<LvmId, Long> sizes = new LinkedHashMap<>();
        request.path("sizes")
                .properties()
                .forEach(entry -> sizes.put(new LvmId(entry.getKey()), entry.getValue().asLong()));
        return sizes;
    }

    static SrIdentity identity(JsonNode request) {
        return new SrIdentity(
                UUID.fromString(request.path("uuid").asText()),
                request.path("label").asText(),
                request.path("description").asText(),
                map(request, "smConfig"));
    }

    // ---- answers

    static ObjectNode answer() {
        return JSON.createObjectNode();
    }

    static ObjectNode error(StorageException failure) {
        ObjectNode answer = answer();
        putError(answer.putObject(ERROR), failure);
        return answer;
    }

    private static void putError(ObjectNode node, StorageException failure) {
        node.put("code", failure.code().name());
        ArrayNode params = node.putArray("params");
        failure.params().forEach(param -> params.add(WholeText.of(param)));
    }

    static ObjectNode failures(Map<LvmId, StorageException> failures) {
        ObjectNode answer = answer();
        ObjectNode node = answer.putObject("failures");
        failures.forEach((volume, failure) -> putError(node.putObject(volume.text()), failure));
        return answer;
    }

    static Map<LvmId, StorageException> failures(JsonNode answer) {
        Map<LvmId, StorageException> failures = new LinkedHashMap<>();
        answer.path("failures")
                .properties()
                .forEach(
                        entry ->
                                failures.put(new LvmId(entry.getKey()), failure(entry.getValue())));
        return failures;
    }

    private static StorageException failure(JsonNode node) {
        List<String> params = new ArrayList<>();
        node.path("params").forEach(param -> params.add(param.asText()));
        return new StorageException(ErrorCode.valueOf(node.path("code").asText()), params, null);
    }

    /** The answer, or the failure that it tells of. */
    static JsonNode requireDone(byte[] answer) {
        JsonNode node = parse(answer);
        if (node.has(ERROR)) {
            throw failure(node.path(ERROR));
        }
        return node;
    }

    // ---- bytes

    static byte[] bytes(ObjectNode node) {
        try {
            return JSON.writeValueAsBytes(node);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree of JSON nodes cannot be written", e);
        }
    }

    static JsonNode parse(byte[] bytes) {
        try {
            return JSON.readTree(bytes);
        } catch (IOException e) {
            throw notUnderstood("a request or an answer", e);
        }
    }

    static StorageException notUnderstood(String what, Exception cause) {
        return ErrorCode.LVM_MASTER.because(
                what + " of another host is not understood; do all run the same version?", cause);
    }
}
