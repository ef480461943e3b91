// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;

import dev.varve.hv.xenapi.schema.ApiType;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Between JSON and the values of the schema: text, numbers, truths, lists and maps. */
final class Json {
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
    static JsonNode parse(byte[] text) throws IOException {
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

    /** A value as the text of a row. */
    static String text(Object value) {
        return new String(bytes(out -> write(out, value)), StandardCharsets.UTF_8);
    }

    /** Writes a document. */
    interface Document {
        void write(JsonGenerator out) throws IOException;
    }

    /** What a document comes to, in UTF-8. */
    static byte[] bytes(Document document) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator out = MAPPER.createGenerator(bytes, JsonEncoding.UTF8)) {
            document.write(out);
        } catch (IOException e) {
            throw new IllegalStateException("cannot write JSON", e);
        }
        return bytes.toByteArray();
    }

    /** Writes a value. */
    static void write(JsonGenerator out, Object value) throws IOException {
        switch (value) {
            case String text -> out.writeString(text);
            case Long number -> out.writeNumber(number);
            case Double number -> out.writeNumber(number);
            case Boolean truth -> out.writeBoolean(truth);
            case List<?> list -> {
                out.writeStartArray();
                for (Object item : list) {
                    write(out, item);
                }
                out.writeEndArray();
            }
            case Map<?, ?> map -> {
                out.writeStartObject();
                for (Map.Entry<?, ?> entry : map.entrySet()) {
                    out.writeFieldName((String) entry.getKey());
                    write(out, entry.getValue());
                }
                out.writeEndObject();
            }
            case ApiType.AnyRecord.Value any -> write(out, any.fields());
            case null, default ->
                    throw new IllegalArgumentException("no value of the API: " + value);
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
}
