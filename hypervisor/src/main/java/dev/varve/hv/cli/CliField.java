// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.Records;
import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiField;
import dev.varve.hv.xenapi.schema.ApiField.CliView;
import dev.varve.hv.xenapi.schema.ApiType;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * A field as the command line shows it.
 *
 * @param field in the schema; none when only the command line knows it
 */
record CliField(String name, Optional<ApiField> field, CliView view, boolean writable) {
    /** What is shown for a reference to something that is not there. */
    static final String NOT_THERE = "<not in database>";

    /** The fields of a class in the order in which they are shown. */
    static List<CliField> of(ApiClass type) {
        List<CliField> fields = new ArrayList<>();
        for (ApiField field : type.fields()) {
            for (ApiField.CliName cli : field.cli()) {
                fields.add(
                        new CliField(cli.name(), Optional.of(field), cli.view(), cli.writable()));
                addDerived(type, cli.name(), fields);
            }
        }
        return fields;
    }

    private static void addDerived(ApiClass type, String after, List<CliField> fields) {
        for (ApiClass.Derived derived : type.derived()) {
            if (derived.after().equals(after)) {
                fields.add(new CliField(derived.name(), Optional.empty(), CliView.VALUE, false));
            }
        }
    }

    /** Its name with the mark that tells what can be done with it. */
    String marked() {
        String mark = mark();
        return name + (mark.length() == 2 ? " ( " : " (") + mark + ")";
    }

    /** What can be done with it: {@code RO} or {@code RW}, after {@code S} or {@code M} of many. */
    String mark() {
        String kind = isOperations() || isSet() ? "S" : isMap() ? "M" : "";
        return kind + (writable ? "RW" : "RO");
    }

    /**
     * Its type as the documentation of the API writes it; that of what is shown, for references.
     */
    String type() {
        String type = field.map(known -> known.type().describe()).orElse("string");
        return view == CliView.UUID
                ? type.replace(" ref", " uuid")
                : view == CliView.NAME ? type.replace(" ref", " name") : type;
    }

    /** What it tells. */
    String meaning() {
        String meaning = field.map(ApiField::meaning).orElse("shown by the command line only");
        return view == CliView.NAME ? meaning + ", by its name" : meaning;
    }

    /** The operations on an object by task, shown as the set of them. */
    private boolean isOperations() {
        return field.isPresent() && field.get().name().equals("current_operations");
    }

    boolean isMap() {
        return field.isPresent() && field.get().type() instanceof ApiType.MapOf;
    }

    boolean isSet() {
        return field.isPresent() && field.get().type() instanceof ApiType.SetOf;
    }

    /** Whether a filter on it takes no notice of upper and lower case. */
    boolean ignoresCase() {
        return field.isPresent()
                && (field.get().type() instanceof ApiType.Choice
                        || field.get().type() instanceof ApiType.Bool);
    }

    /** Its value as one text. */
    String text(Database database, Records records, ApiObject object) {
        if (field.isEmpty()) {
            return DerivedFields.value(database, object, name);
        }
        Object value = records.value(object, field.get());
        return switch (value) {
            case List<?> _ -> String.join("; ", items(database, records, object));
            case Map<?, ?> _ -> {
                List<String> pairs = new ArrayList<>();
                entries(database, records, object)
                        .forEach(
                                (key, item) ->
                                        pairs.add(isOperations() ? item : key + ": " + item));
                yield String.join("; ", pairs);
            }
            default -> one(database, value);
        };
    }

    /** The values of a set. */
    List<String> items(Database database, Records records, ApiObject object) {
        List<String> items = new ArrayList<>();
        for (Object item : (List<?>) records.value(object, field.orElseThrow())) {
            items.add(one(database, item));
        }
        return items;
    }

    /** The keys and values of a map. */
    Map<String, String> entries(Database database, Records records, ApiObject object) {
        Map<String, String> entries = new java.util.TreeMap<>();
        ((Map<?, ?>) records.value(object, field.orElseThrow()))
                .forEach((key, item) -> entries.put(String.valueOf(key), one(database, item)));
        return entries;
    }

    private String one(Database database, Object value) {
        if (value instanceof Double number) {
            return String.format(Locale.ROOT, "%.3f", number);
        }
        String text = String.valueOf(value);
        return switch (view) {
            case VALUE -> text;
            case LOWER_CASE -> text.toLowerCase(Locale.ROOT);
            case UUID -> database.find(text).map(ApiObject::uuid).orElse(NOT_THERE);
            case NAME ->
                    database.find(text)
                            .filter(target -> target.type().field("name_label").isPresent())
                            .map(target -> target.text("name_label"))
                            .orElse(NOT_THERE);
        };
    }
}
