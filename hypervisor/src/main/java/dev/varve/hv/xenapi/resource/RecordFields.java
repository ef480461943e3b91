// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.resource;

import dev.varve.hv.xenapi.Call;
import dev.varve.vdi.ErrorCode;

import java.util.Map;
import java.util.TreeMap;

/**
 * The fields of a record that a client sends to make an object. Clients send whole records; those
 * fields that are the daemon's to set are left aside, as they always were.
 */
final class RecordFields {
    private final Map<String, Object> sent;

    RecordFields(Call call) {
        this.sent = call.fields("record");
    }

    /** The fields that a client may choose; the first two must be there. */
    Map<String, Object> take(String first, String second, String... more) {
        Map<String, Object> fields = new TreeMap<>();
        fields.put(first, require(first));
        fields.put(second, require(second));
        for (String name : more) {
            if (sent.containsKey(name)) {
                fields.put(name, sent.get(name));
            }
        }
        return fields;
    }

    private Object require(String name) {
        Object value = sent.get(name);
        if (value == null) {
            throw ErrorCode.FIELD_TYPE_ERROR.with(name);
        }
        return value;
    }
}
