// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

import dev.varve.hv.xenapi.schema.ApiType;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Between JSON and the values of the schema: text, numbers, truths, lists and maps. */
final class Json {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
    private static final ObjectMapper MAPPER = JsonMapper.builder().build();

    /**
     * How many values, names and brackets a text may have; each takes about 200 bytes in memory.
     */
    private static final long MOST_TOKENS = 100_000;

    private static final ObjectMapper CLIENT_MAPPER = clientMapper();

    private Json() {}

    private static ObjectMapper clientMapper() {
        JsonMapper mapper =
                JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();
        mapper.getFactory()
                .setStreamReadConstraints(
                        StreamReadConstraints.builder()
                                .maxNestingDepth(64)
                                .maxTokenCount(MOST_TOKENS)
                                .build());
        return mapper;
    }

    /** Reads a text of a client, which is limited in depth and in number of values. */
    static JsonNode parse(byte[] text) throws java.io.IOException {
        JsonNode node = CLIENT_MAPPER.readTree(text);
        if (node == null || node.isMissingNode()) {
            throw new java.io.EOFException("there is no JSON value");
        }
        return node;
    }

    /** Reads a text that this program wrote. */
    static JsonNode parseOwn(String text) {
        try {
            return MAPPER.readTree(text);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a row of the database is not JSON: " + text, e);
        }
    }

    /** Writes a node. */
    static String text(JsonNode node) {
        try {
            return MAPPER.writeValueAsString(node);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("cannot write JSON", e);
        }
    }

    /** A node as a plain value; null for the JSON null. */
    static Object plain(JsonNode node) {
        return switch (node.getNodeType()) {
            case STRING -> node.textValue();
            case BOOLEAN -> node.booleanValue();
            case NUMBER ->
                    node.isIntegralNumber() && node.canConvertToLong()
                            ? (Object) node.longValue()
                            : (Object) node.doubleValue();
            case ARRAY -> {
                List<Object> items = new ArrayList<>();
                node.forEach(item -> items.add(plain(item)));
                yield items;
            }
            case OBJECT -> {
                Map<String, Object> items = new LinkedHashMap<>();
                node.properties().forEach(e -> items.put(e.getKey(), plain(e.getValue())));
                yield items;
            }
            case NULL, MISSING, BINARY, POJO -> null;
        };
    }

    /** A value as a node. */
    static JsonNode node(Object value) {
        return switch (value) {
            case String text -> NODES.textNode(text);
            case Long number -> NODES.numberNode(number);
            case Double number -> NODES.numberNode(number);
            case Boolean truth -> NODES.booleanNode(truth);
            case List<?> list -> {
                ArrayNode array = NODES.arrayNode();
                list.forEach(item -> array.add(node(item)));
                yield array;
            }
            case Map<?, ?> map -> {
                ObjectNode object = NODES.objectNode();
                map.forEach((key, item) -> object.set((String) key, node(item)));
                yield object;
            }
            case ApiType.AnyRecord.Value any -> node(any.fields());
            case null, default ->
                    throw new IllegalArgumentException("no value of the API: " + value);
        };
    }
}
