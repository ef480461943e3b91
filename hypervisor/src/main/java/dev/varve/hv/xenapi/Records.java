// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiField;
import dev.varve.hv.xenapi.schema.ApiType;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Objects as clients see them: stored, inverse and computed fields, always all of the class. */
public final class Records {
    private final Database database;
    private final Map<String, Function<ApiObject, Object>> computed;

    /**
     * @param computed how to work a field out, by class and field like {@code
     *     VDI.allowed_operations}; there must be one for every computed field
     */
    public Records(Database database, Map<String, Function<ApiObject, Object>> computed) {
        this.database = database;
        this.computed = Map.copyOf(computed);
        List<String> missing = new ArrayList<>();
        for (ApiClass type : database.schema().classes()) {
            for (ApiField field : type.fields()) {
                boolean needed = field.source() instanceof ApiField.Source.Computed;
                if (needed && !computed.containsKey(type + "." + field.name())) {
                    missing.add(type + "." + field.name());
                }
            }
        }
        if (!missing.isEmpty()) {
            throw new IllegalArgumentException("nothing computes " + missing);
        }
    }

    /** The value of one field. */
    public Object value(ApiObject object, ApiField field) {
        return switch (field.source()) {
            case ApiField.Source.Stored _ -> object.value(field.name());
            case ApiField.Source.Inverse inverse ->
                    database.referring(inverse.className(), inverse.field(), object.ref()).stream()
                            .map(ApiObject::ref)
                            .toList();
            case ApiField.Source.Computed _ ->
                    computed.get(object.type() + "." + field.name()).apply(object);
        };
    }

    /** All fields, with the class that they belong to. */
    public ApiType.AnyRecord.Value any(ApiObject object) {
        return new ApiType.AnyRecord.Value(object.type().name(), full(object));
    }

    /** All fields by name. */
    public Map<String, Object> full(ApiObject object) {
        Map<String, Object> record = new LinkedHashMap<>();
        for (ApiField field : object.type().fields()) {
            if (field.visible()) {
                record.put(field.name(), value(object, field));
            }
        }
        return record;
    }
}
