// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi;

import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiField;
import dev.varve.hv.xenapi.schema.ApiType;
import dev.varve.hv.xenapi.schema.OpaqueRef;
import dev.varve.vdi.ErrorCode;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Carries out the methods that follow from the fields of a class. */
final class GeneratedHandlers {
    private final Database database;
    private final Records records;

    GeneratedHandlers(Database database, Records records) {
        this.database = database;
        this.records = records;
    }

    void bindAll(Handlers handlers) {
        for (ApiClass type : database.schema().classes()) {
            bindClass(handlers, type);
            for (ApiField field : type.fields()) {
                if (field.visible()) {
                    bindField(handlers, type, field);
                }
            }
        }
    }

    private void bindClass(Handlers handlers, ApiClass type) {
        String name = type.name();
        if (!type.is(ApiClass.Trait.UNLISTED)) {
            handlers.bind(name + ".get_all", _ -> refs(database.all(name)));
            handlers.bind(name + ".get_all_records", _ -> allRecords(name));
        }
        handlers.bind(name + ".get_record", call -> records.full(database.get(name, call.self())));
        handlers.bind(
                name + ".get_by_uuid", call -> database.getByUuid(name, call.text("uuid")).ref());
        if (type.is(ApiClass.Trait.NAMED)) {
            handlers.bind(
                    name + ".get_by_name_label",
                    call ->
                            refs(
                                    database.all(name).stream()
                                            .filter(
                                                    object ->
                                                            object.text("name_label")
                                                                    .equals(call.text("label")))
                                            .toList()));
        }
    }

    private static List<String> refs(List<ApiObject> objects) {
        return objects.stream().map(ApiObject::ref).toList();
    }

    private Map<String, Object> allRecords(String name) {
        Map<String, Object> all = new TreeMap<>();
        database.all(name).forEach(object -> all.put(object.ref(), records.full(object)));
        return all;
    }

    private void bindField(Handlers handlers, ApiClass type, ApiField field) {
        String name = field.name();
        handlers.bind(
                type + ".get_" + name,
                call -> records.value(database.get(type.name(), call.self()), field));
        if (!field.writable()) {
            return;
        }
        handlers.bindVoid(type + ".set_" + name, call -> set(type, field, call));
        switch (field.type()) {
            case ApiType.MapOf _ -> {
                handlers.bindVoid(type + ".add_to_" + name, call -> addKey(type, name, call));
                handlers.bindVoid(
                        type + ".remove_from_" + name,
                        call ->
                                database.update(
                                        type.name(),
                                        call.self(),
                                        object -> object.withKey(name, call.text("key"), "")));
            }
            case ApiType.SetOf _ -> {
                handlers.bindVoid(type + ".add_" + name, call -> change(type, name, call, true));
                handlers.bindVoid(
                        type + ".remove_" + name, call -> change(type, name, call, false));
            }
            default -> {}
        }
    }

    private void set(ApiClass type, ApiField field, Call call) {
        Object value = call.arg("value");
        if (field.type() instanceof ApiType.Ref ref
                && !OpaqueRef.isNull((String) value)
                && database.schema().find(ref.className()).isPresent()) {
            database.get(ref.className(), (String) value);
        }
        database.update(type.name(), call.self(), object -> object.with(field.name(), value));
    }

    private void addKey(ApiClass type, String field, Call call) {
        database.update(
                type.name(),
                call.self(),
                object -> {
                    Map<String, String> map = object.map(field);
                    if (map.putIfAbsent(call.text("key"), call.text("value")) != null) {
                        throw ErrorCode.MAP_DUPLICATE_KEY.with(
                                type.name(), field, object.uuid(), call.text("key"));
                    }
                    return object.with(field, map);
                });
    }

    private void change(ApiClass type, String field, Call call, boolean add) {
        database.update(
                type.name(),
                call.self(),
                object -> {
                    List<String> set = new ArrayList<>(object.set(field));
                    set.remove(call.text("value"));
                    if (add) {
                        set.add(call.text("value"));
                    }
                    return object.with(field, set);
                });
    }
}
