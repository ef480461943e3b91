// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.xenapi.schema;

import java.util.ArrayList;
import java.util.List;

/** The methods that follow from the fields of a class. */
final class GeneratedMethods {
    private GeneratedMethods() {}

    static List<ApiMethod> of(ApiClass type) {
        List<ApiMethod> methods = new ArrayList<>();
        String name = type.name();
        ApiType ref = ApiTypes.ref(name);
        ApiType record = new ApiType.RecordOf(name);
        if (!type.is(ApiClass.Trait.UNLISTED)) {
            methods.add(
                    ApiMethod.of(name, "get_all", "All objects of the class.")
                            .returns(ApiTypes.refs(name)));
            methods.add(
                    ApiMethod.of(name, "get_all_records", "All objects with all their fields.")
                            .returns(new ApiType.MapOf(ref, record)));
        }
        methods.add(self(type, "get_record", "All fields of an object.").returns(record));
        methods.add(
                ApiMethod.of(name, "get_by_uuid", "The object of a UUID.")
                        .param("uuid", ApiTypes.TEXT, "the UUID")
                        .returns(ref));
        if (type.is(ApiClass.Trait.NAMED)) {
            methods.add(
                    ApiMethod.of(name, "get_by_name_label", "The objects of a name.")
                            .param("label", ApiTypes.TEXT, "the name")
                            .returns(ApiTypes.refs(name)));
        }
        for (ApiField field : type.fields()) {
            if (field.visible()) {
                addFieldMethods(type, field, methods);
            }
        }
        return methods;
    }

    private static ApiMethod self(ApiClass type, String name, String meaning) {
        return ApiMethod.of(type.name(), name, meaning)
                .param("self", ApiTypes.ref(type.name()), "the object");
    }

    private static void addFieldMethods(ApiClass type, ApiField field, List<ApiMethod> methods) {
        String name = field.name();
        methods.add(self(type, "get_" + name, "Reads " + name + ".").returns(field.type()));
        if (!field.writable()) {
            return;
        }
        methods.add(
                self(type, "set_" + name, "Writes " + name + ".")
                        .param("value", field.type(), field.meaning()));
        switch (field.type()) {
            case ApiType.MapOf map -> {
                methods.add(
                        self(type, "add_to_" + name, "Adds a key to " + name + ".")
                                .param("key", map.key(), "the new key")
                                .param("value", map.value(), "its value"));
                methods.add(
                        self(type, "remove_from_" + name, "Removes a key from " + name + ".")
                                .param("key", map.key(), "the key; it need not be there"));
            }
            case ApiType.SetOf set -> {
                methods.add(
                        self(type, "add_" + name, "Adds a value to " + name + ".")
                                .param("value", set.element(), "the new value"));
                methods.add(
                        self(type, "remove_" + name, "Removes a value from " + name + ".")
                                .param("value", set.element(), "the value; it need not be there"));
            }
            default -> {}
        }
    }
}
