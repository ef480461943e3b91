// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.docs;

import static dev.varve.docs.XeReference.cell;

import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiField;
import dev.varve.hv.xenapi.schema.ApiMethod;
import dev.varve.hv.xenapi.schema.ApiSchema;
import dev.varve.hv.xenapi.schema.ApiType;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** The classes of the API as a page: fields, methods and enumerations. */
final class ApiReference {
    private static final List<String> ACCESSORS =
            List.of("get_", "set_", "add_to_", "remove_from_", "add_", "remove_");

    private final ApiSchema schema = ApiSchema.XENAPI;

    /** The generated part of the page. */
    String page() {
        StringBuilder page = new StringBuilder("\n## Contents\n\n");
        for (ApiClass type : schema.classes()) {
            page.append("- [").append(type).append("](#").append(anchor(type.name()));
            page.append("): ").append(type.meaning()).append('\n');
        }
        List<ApiMethod> others =
                schema.methods().stream()
                        .filter(method -> schema.find(method.className()).isEmpty())
                        .toList();
        page.append("- [Methods of no class](#methods-of-no-class)\n");
        page.append("- [Enumerations](#enumerations)\n");
        schema.classes().forEach(type -> type(page, type));
        page.append("\n## Methods of no class\n");
        methods(page, others);
        enumerations(page);
        return page.append('\n').toString();
    }

    private static String anchor(String heading) {
        return heading.toLowerCase(Locale.ROOT);
    }

    private static void type(StringBuilder page, ApiClass type) {
        page.append("\n## ").append(type).append("\n\n").append(type.meaning());
        if (type.is(ApiClass.Trait.VOLATILE)) {
            page.append(" Objects end with the daemon.");
        }
        if (type.is(ApiClass.Trait.UNLISTED)) {
            page.append(" Objects are not listed: only who has a reference reaches them.");
        }
        page.append("\n\n| field | type | | meaning |\n|---|---|---|---|\n");
        for (ApiField field : type.fields()) {
            if (field.visible()) {
                page.append("| `").append(field.name()).append("` | ");
                page.append(cell(field.type().describe())).append(" | ").append(access(field));
                page.append(" | ").append(cell(field.meaning())).append(" |\n");
            }
        }
        methods(page, type.methods().stream().filter(m -> !isAccessor(type, m)).toList());
    }

    private static String access(ApiField field) {
        return switch (field.access()) {
            case READ_ONLY -> "RO";
            case CONSTRUCTOR -> "create";
            case READ_WRITE -> "RW";
            case INTERNAL -> throw new IllegalArgumentException(field.name());
        };
    }

    /** Whether the method only reads or writes a field, with no failure of its own. */
    private static boolean isAccessor(ApiClass type, ApiMethod method) {
        return method.errors().isEmpty()
                && ACCESSORS.stream()
                        .filter(method.name()::startsWith)
                        .map(verb -> method.name().substring(verb.length()))
                        .anyMatch(rest -> type.field(rest).isPresent());
    }

    private static void methods(StringBuilder page, Collection<ApiMethod> methods) {
        page.append("\n| method | parameters | result | errors | what it does |\n");
        page.append("|---|---|---|---|---|\n");
        for (ApiMethod method : methods) {
            page.append("| `").append(method.fullName()).append("` | ");
            page.append(String.join("<br>", params(method))).append(" | ");
            page.append(cell(method.result().describe())).append(" | ");
            page.append(
                            String.join(
                                    " ",
                                    method.errors().stream()
                                            .map(code -> "`" + code.wireName() + "`")
                                            .distinct()
                                            .toList()))
                    .append(" | ");
            page.append(cell(method.meaning())).append(notes(method)).append(" |\n");
        }
    }

    private static List<String> params(ApiMethod method) {
        List<String> params = new ArrayList<>();
        int needed = method.params().size() - method.optional();
        for (ApiMethod.Param param : method.params()) {
            String optional = params.size() < needed ? "" : ", optional";
            params.add(
                    "`"
                            + param.name()
                            + "` ("
                            + cell(param.type().describe())
                            + optional
                            + "): "
                            + cell(param.meaning()));
        }
        return params;
    }

    private static String notes(ApiMethod method) {
        StringBuilder notes = new StringBuilder();
        if (method.anonymous()) {
            notes.append(" Without a session.");
        }
        if (method.longRunning()) {
            notes.append(" Shown by a task.");
        }
        method.capability()
                .ifPresent(name -> notes.append(" The driver must have `" + name + "`."));
        return notes.toString();
    }

    private void enumerations(StringBuilder page) {
        Map<String, List<String>> choices = new TreeMap<>();
        for (ApiClass type : schema.classes()) {
            type.fields().forEach(field -> collect(field.type(), choices));
        }
        for (ApiMethod method : schema.methods()) {
            collect(method.result(), choices);
            method.params().forEach(param -> collect(param.type(), choices));
        }
        page.append("\n## Enumerations\n\n| name | values |\n|---|---|\n");
        choices.forEach(
                (name, values) -> {
                    page.append("| `").append(name).append("` | `");
                    page.append(String.join("` `", values)).append("` |\n");
                });
    }

    private static void collect(ApiType type, Map<String, List<String>> choices) {
        if (type instanceof ApiType.Choice choice) {
            choices.put(choice.name(), choice.values());
        } else if (type instanceof ApiType.SetOf set) {
            collect(set.element(), choices);
        } else if (type instanceof ApiType.MapOf map) {
            collect(map.key(), choices);
            collect(map.value(), choices);
        }
    }
}
