// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.IntNode;

import dev.varve.vdi.StorageException;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Calls as JSON-RPC, version 2 and the older form without a version. */
public final class JsonRpc {
    private final Dispatcher dispatcher;

    /** Calls to the dispatcher. */
    public JsonRpc(Dispatcher dispatcher) {
        this.dispatcher = dispatcher;
    }

    /**
     * Carries a call out and gives the answer, be it a failure.
     *
     * @throws MalformedCallException when the text is no call
     */
    public byte[] answer(Caller caller, byte[] request) throws MalformedCallException {
        JsonNode node;
        try {
            node = Json.parse(request);
        } catch (IOException e) {
            throw new MalformedCallException("the request is not JSON: " + e.getMessage());
        }
        JsonNode method = node.get("method");
        JsonNode params = node.get("params");
        if (method == null || !method.isTextual() || (params != null && !params.isArray())) {
            throw new MalformedCallException(
                    "a call has a text \"method\" and an array \"params\"");
        }
        boolean second = node.has("jsonrpc");
        JsonNode id = node.get("id");
        JsonNode known = id == null || id.isNull() ? IntNode.valueOf(0) : id;
        Object result;
        try {
            result = dispatcher.call(caller, method.textValue(), plain(params));
        } catch (StorageException e) {
            return failure(second, known, e);
        }
        return Json.bytes(
                out -> {
                    out.writeStartObject();
                    if (second) {
                        out.writeStringField("jsonrpc", "2.0");
                    }
                    out.writeFieldName("result");
                    Json.write(out, result);
                    if (!second) {
                        out.writeNullField("error");
                    }
                    writeId(out, known);
                });
    }

    private static void writeId(JsonGenerator out, JsonNode id) throws IOException {
        out.writeFieldName("id");
        out.writeTree(id);
        out.writeEndObject();
    }

    private static List<Object> plain(JsonNode params) {
        List<Object> values = new ArrayList<>();
        if (params != null) {
            params.forEach(param -> values.add(Json.plain(param)));
        }
        return values;
    }

    private static byte[] failure(boolean second, JsonNode id, StorageException failure) {
        List<String> description = Tasks.description(failure);
        return Json.bytes(
                out -> {
                    out.writeStartObject();
                    if (second) {
                        out.writeStringField("jsonrpc", "2.0");
                        out.writeObjectFieldStart("error");
                        out.writeNumberField("code", 1);
                        out.writeStringField("message", description.getFirst());
                        out.writeFieldName("data");
                        Json.write(out, description.subList(1, description.size()));
                        out.writeEndObject();
                    } else {
                        out.writeNullField("result");
                        out.writeFieldName("error");
                        Json.write(out, description);
                    }
                    writeId(out, id);
                });
    }
}
