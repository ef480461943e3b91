// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiField;
import dev.varve.hv.xenapi.schema.ApiType;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * An object of the API as it is kept: the values of its stored fields. Cannot be changed; {@link
 * #with} makes a changed one.
 */
public final class ApiObject {
    private final ApiClass type;
    private final String ref;
    private final Map<String, Object> values;
    private final long revision;

    ApiObject(ApiClass type, String ref, Map<String, Object> values, long revision) {
        this.type = type;
        this.ref = ref;
        this.values = Map.copyOf(values);
        this.revision = revision;
    }

    /** Its class. */
    public ApiClass type() {
        return type;
    }

    /** Its reference. */
    public String ref() {
        return ref;
    }

    /** Its UUID. */
    public String uuid() {
        return text("uuid");
    }

    /** The revision of the state that wrote it; 0 when it is not kept there. */
    long revision() {
        return revision;
    }

    ApiObject at(long newRevision) {
        return new ApiObject(type, ref, values, newRevision);
    }

    /** The values of stored fields that are not their start values. */
    public Map<String, Object> values() {
        return values;
    }

    /** The value of a stored field. */
    public Object value(String field) {
        ApiField known = type.require(field);
        return values.getOrDefault(field, known.initial());
    }

    /** The value of a text, an enum, a date or a reference. */
    public String text(String field) {
        return (String) value(field);
    }

    /** The value of an integer. */
    public long number(String field) {
        return (Long) value(field);
    }

    /** The value of a truth. */
    public boolean flag(String field) {
        return (Boolean) value(field);
    }

    /** The value of a map. */
    public Map<String, String> map(String field) {
        Map<String, String> map = new TreeMap<>();
        ((Map<?, ?>) value(field)).forEach((key, item) -> map.put((String) key, (String) item));
        return map;
    }

    /** The value of a set of texts. */
    public List<String> set(String field) {
        return ((List<?>) value(field)).stream().map(String.class::cast).toList();
    }

    /** The same object with another value in one field. */
    public ApiObject with(String field, Object value) {
        ApiField known = type.require(field);
        if (!(known.source() instanceof ApiField.Source.Stored)) {
            throw new IllegalArgumentException(type + "." + field + " is not kept");
        }
        if (!known.type().accepts(value)) {
            throw new IllegalArgumentException(
                    type + "." + field + " is a " + known.type().describe() + ", not " + value);
        }
        Map<String, Object> changed = new HashMap<>(values);
        changed.put(field, ApiType.freeze(value));
        return new ApiObject(type, ref, changed, revision);
    }

    /** The same object with a key of a map set, or removed when the value is empty. */
    public ApiObject withKey(String field, String key, String value) {
        Map<String, String> map = map(field);
        if (value.isEmpty()) {
            map.remove(key);
        } else {
            map.put(key, value);
        }
        return with(field, map);
    }

    @Override
    public String toString() {
        return type + " " + ref;
    }
}
