// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.IntNode;

import dev.varve.vdi.StorageException;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;

/** Calls as JSON-RPC, version 2 and the older form without a version. */
public final class JsonRpc {
    /** From this size on requests are read one after the other. */
    private static final int LARGE_BYTES = 64 * 1024;

    private final Dispatcher dispatcher;
    private final Semaphore large = new Semaphore(1, true);

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
        Request call = read(request);
        Object result;
        try {
            result = dispatcher.call(caller, call.method(), call.params());
        } catch (StorageException e) {
            return failure(call, e);
        }
        return Json.bytes(
                out -> {
                    out.writeStartObject();
                    if (call.second()) {
                        out.writeStringField("jsonrpc", "2.0");
                    }
                    out.writeFieldName("result");
                    Json.write(out, result);
                    if (!call.second()) {
                        out.writeNullField("error");
                    }
                    writeId(out, call.id());
                });
    }

    private static void writeId(JsonGenerator out, JsonNode id) throws IOException {
        out.writeFieldName("id");
        out.writeTree(id);
        out.writeEndObject();
    }

    /** A call, whether it is one of version two, and what its answer is to be called. */
    private record Request(String method, List<Object> params, boolean second, JsonNode id) {}

    private Request read(byte[] request) throws MalformedCallException {
        if (request.length < LARGE_BYTES) {
            return parse(request);
        }
        // What is read takes many times the room of the text, also before it is known who sent it.
        large.acquireUninterruptibly();
        try {
            return parse(request);
        } finally {
            large.release();
        }
    }

    private static Request parse(byte[] request) throws MalformedCallException {
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
        JsonNode id = node.get("id");
        return new Request(
                method.textValue(),
                plain(params),
                node.has("jsonrpc"),
                id == null || id.isNull() ? IntNode.valueOf(0) : id);
    }

    private static List<Object> plain(JsonNode params) {
        List<Object> values = new ArrayList<>();
        if (params != null) {
            params.forEach(param -> values.add(Json.plain(param)));
        }
        return values;
    }

    private static byte[] failure(Request call, StorageException failure) {
        List<String> description = Tasks.description(failure);
        return Json.bytes(
                out -> {
                    out.writeStartObject();
                    if (call.second()) {
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
                    writeId(out, call.id());
                });
    }
}
