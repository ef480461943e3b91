// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiField;
import dev.varve.hv.xenapi.schema.ApiType;
import dev.varve.hv.xenapi.schema.OpaqueRef;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/** The commands that every class has: list, and those that look at or change fields. */
final class ClassCommands {
    private static final String OTHER_THAN = "/=";

    private final ApiClass type;
    private final List<CliField> fields;

    private ClassCommands(ApiClass type) {
        this.type = type;
        this.fields = CliField.of(type);
    }

    /** The commands of a class. */
    static List<CliCommand> of(ApiClass type) {
        ClassCommands self = new ClassCommands(type);
        String name = type.cliName();
        List<CliCommand> commands = new ArrayList<>();
        commands.add(
                CliCommand.of(
                                name + "-list",
                                "",
                                "params",
                                "Lists objects, all or those whose fields have the given values.",
                                self::list)
                        .opened());
        commands.add(
                CliCommand.of(
                        name + "-param-list", "uuid", "", "Shows all fields.", self::paramList));
        commands.add(
                CliCommand.of(
                        name + "-param-get",
                        "uuid param-name",
                        "param-key",
                        "Shows one field, or one key of it.",
                        self::paramGet));
        if (self.fields.stream().noneMatch(CliField::writable)) {
            return commands;
        }
        commands.add(
                CliCommand.of(
                                name + "-param-set",
                                "uuid",
                                self.writable(),
                                "Changes fields.",
                                self::paramSet)
                        .opened());
        commands.add(
                CliCommand.of(
                                name + "-param-add",
                                "uuid param-name",
                                "param-key",
                                "Adds a value to a set, or keys to a map.",
                                self::paramAdd)
                        .opened());
        commands.add(
                CliCommand.of(
                        name + "-param-remove",
                        "uuid param-name param-key",
                        "",
                        "Removes a value from a set, or a key from a map.",
                        self::paramRemove));
        commands.add(
                CliCommand.of(
                        name + "-param-clear",
                        "uuid param-name",
                        "",
                        "Empties a field.",
                        self::paramClear));
        return commands;
    }

    private String writable() {
        StringBuilder names = new StringBuilder();
        for (CliField field : fields) {
            if (field.writable() && !field.isSet()) {
                names.append(field.name()).append(field.isMap() ? ": " : " ");
            }
        }
        return names.toString();
    }

    /**
     * Lists the objects of a class that the filters let through.
     *
     * @param listed the fields that are shown unless the parameters ask for others
     */
    static void list(
            ApiClass type,
            Map<String, String> filters,
            List<String> listed,
            CliArgs args,
            CliSession session,
            CliOutput out) {
        ClassCommands self = new ClassCommands(type);
        self.list(filters, args.get("params", ""), listed, session, out);
    }

    /**
     * Whether there is an object of a class with these values of fields. A value that begins with
     * {@code /=} means any other one.
     */
    static boolean anyIs(ApiClass type, Map<String, String> wanted, CliSession session) {
        ClassCommands self = new ClassCommands(type);
        wanted.keySet().forEach(self::filtered);
        return session.database().all(type.name()).stream()
                .anyMatch(
                        object ->
                                wanted.entrySet().stream()
                                        .allMatch(want -> self.is(session, object, want)));
    }

    private boolean is(CliSession session, ApiObject object, Map.Entry<String, String> want) {
        boolean other = want.getValue().startsWith(OTHER_THAN);
        String value = other ? want.getValue().substring(OTHER_THAN.length()) : want.getValue();
        return matches(session, object, want.getKey(), value) != other;
    }

    private void list(CliArgs args, CliSession session, CliOutput out) {
        Map<String, String> filters = args.specific();
        filters.remove("params");
        list(filters, args.get("params", ""), type.listed(), session, out);
    }

    private void list(
            Map<String, String> filters,
            String params,
            List<String> listed,
            CliSession session,
            CliOutput out) {
        List<CliField> columns = columns(params, listed);
        List<SequencedMap<String, String>> rows = new ArrayList<>();
        for (ApiObject object : session.database().all(type.name())) {
            boolean matches = true;
            for (Map.Entry<String, String> filter : filters.entrySet()) {
                matches = matches(session, object, filter.getKey(), filter.getValue()) && matches;
            }
            if (matches) {
                rows.add(row(session, object, columns, !params.isEmpty()));
            }
        }
        if (rows.isEmpty()) {
            filters.keySet().forEach(this::filtered);
        }
        out.table(rows);
    }

    private List<CliField> columns(String params, List<String> listed) {
        if (params.equals("all")) {
            return fields;
        }
        TreeSet<String> wanted = new TreeSet<>(listed);
        if (!params.isEmpty()) {
            wanted.clear();
            for (String name : params.split(",", -1)) {
                // Scripts ask for fields of other classes and of other versions; they get the rest.
                wanted.add(name.strip());
            }
        }
        return fields.stream().filter(field -> wanted.contains(field.name())).toList();
    }

    /**
     * One object.
     *
     * @param chosen whether somebody chose the columns; else those that tell of trouble are left
     *     out where there is none
     */
    private static SequencedMap<String, String> row(
            CliSession session, ApiObject object, List<CliField> columns, boolean chosen) {
        SequencedMap<String, String> row = new LinkedHashMap<>();
        for (CliField column : columns) {
            String text = column.text(session.database(), session.records(), object);
            if (chosen || !text.isEmpty() || !column.name().equals(DerivedFields.QUARANTINE)) {
                row.put(column.marked(), text);
            }
        }
        return row;
    }

    /** A filter: the field, and the key of a map or the word {@code contains} of a set. */
    private record Filter(CliField field, String key) {}

    private Filter filtered(String param) {
        for (CliField field : fields) {
            if (field.name().equals(param)) {
                return new Filter(field, "");
            }
        }
        for (CliField field : fields) {
            if ((field.isMap() || field.isSet()) && CliArgs.isKeyOf(field.name(), param)) {
                return new Filter(field, param.substring(field.name().length() + 1));
            }
        }
        throw unknown(param);
    }

    private boolean matches(CliSession session, ApiObject object, String param, String value) {
        Filter filter = filtered(param);
        CliField field = filter.field();
        if (filter.key().isEmpty()) {
            String text = field.text(session.database(), session.records(), object);
            return field.ignoresCase() ? text.equalsIgnoreCase(value) : text.equals(value);
        }
        if (field.isMap()) {
            return value.equals(
                    field.entries(session.database(), session.records(), object).get(filter.key()));
        }
        if (!filter.key().equals("contains")) {
            throw UsageException.failure(
                    "a filter on the set "
                            + field.name()
                            + " is written "
                            + field.name()
                            + ":contains=...");
        }
        return field.items(session.database(), session.records(), object).contains(value);
    }

    private CliField field(String name) {
        for (CliField field : fields) {
            if (field.name().equals(name)) {
                return field;
            }
        }
        throw unknown(name);
    }

    private UsageException unknown(String name) {
        return UsageException.failure(
                "Unknown field '"
                        + name
                        + "'; the fields of "
                        + type.cliName()
                        + " are: "
                        + String.join(" ", fields.stream().map(CliField::name).toList()));
    }

    private void paramList(CliArgs args, CliSession session, CliOutput out) {
        ApiObject object = session.select(args, type.name(), "uuid");
        out.table(List.of(row(session, object, fields, true)));
    }

    private void paramGet(CliArgs args, CliSession session, CliOutput out) {
        ApiObject object = session.select(args, type.name(), "uuid");
        CliField field = field(args.require("param-name"));
        String key = args.get("param-key", "");
        if (key.isEmpty()) {
            out.list(List.of(field.text(session.database(), session.records(), object)));
            return;
        }
        if (!field.isMap()) {
            throw UsageException.failure("field " + field.name() + " is not a map");
        }
        String value = field.entries(session.database(), session.records(), object).get(key);
        if (value == null) {
            throw UsageException.failure("Key " + key + " not found in map " + field.name());
        }
        out.list(List.of(value));
    }

    private void paramSet(CliArgs args, CliSession session, CliOutput out) {
        ApiObject object = session.select(args, type.name(), "uuid");
        Map<String, String> changes = args.specific();
        List.of("uuid", type.cliName(), type.cliName() + "-uuid").forEach(changes::remove);
        if (changes.isEmpty()) {
            throw UsageException.syntax("Required parameter not found: the field to set");
        }
        // All are looked up before the first is changed, so that a mistyped one changes nothing.
        List<Runnable> steps = new ArrayList<>();
        changes.forEach((param, value) -> steps.add(setter(session, object, param, value)));
        steps.forEach(Runnable::run);
    }

    private Runnable setter(CliSession session, ApiObject object, String param, String value) {
        Filter target = filtered(param);
        ApiField field = writable(target.field());
        String ref = object.ref();
        if (target.field().isMap()) {
            if (target.key().isEmpty()) {
                throw UsageException.failure(
                        "field " + param + " is a map: write " + param + ":key=value");
            }
            return () -> setKey(session, field, ref, target.key(), value);
        }
        if (target.field().isSet()) {
            throw UsageException.failure(
                    "field " + param + " is a set: use " + type.cliName() + "-param-add");
        }
        Object typed = typed(session, target.field(), field.type(), value);
        return () -> session.call(type + ".set_" + field.name(), ref, typed);
    }

    private void setKey(CliSession session, ApiField field, String ref, String key, String value) {
        session.call(type + ".remove_from_" + field.name(), ref, key);
        session.call(type + ".add_to_" + field.name(), ref, key, value);
    }

    private static Object typed(CliSession session, CliField field, ApiType type, String value) {
        return switch (type) {
            case ApiType.Bool _ -> CliArgs.bool(field.name(), value);
            case ApiType.Int _ -> CliArgs.integer(field.name(), value);
            case ApiType.Ref ref
                    when session.database().schema().find(ref.className()).isPresent() ->
                    value.isEmpty() || value.equals(CliField.NOT_THERE)
                            ? OpaqueRef.NULL
                            : session.byName(ref.className(), value).ref();
            default -> value;
        };
    }

    private static ApiField writable(CliField field) {
        if (!field.writable()) {
            throw UsageException.failure("Field '" + field.name() + "' is read-only.");
        }
        return field.field().orElseThrow();
    }

    private void paramAdd(CliArgs args, CliSession session, CliOutput out) {
        ApiObject object = session.select(args, type.name(), "uuid");
        CliField field = field(args.require("param-name"));
        ApiField target = writable(field);
        if (field.isSet()) {
            session.call(type + ".add_" + target.name(), object.ref(), args.require("param-key"));
            return;
        }
        if (!field.isMap()) {
            throw UsageException.failure("field " + field.name() + " is neither a set nor a map");
        }
        if (args.get("param-key").isPresent()) {
            throw UsageException.failure(
                    "field " + field.name() + " is a map: give the keys as key=value");
        }
        Map<String, String> keys = new TreeMap<>(args.specific());
        List.of("uuid", "param-name", type.cliName(), type.cliName() + "-uuid")
                .forEach(keys::remove);
        if (keys.isEmpty()) {
            throw UsageException.syntax("Required parameter not found: key=value");
        }
        keys.forEach(
                (key, value) ->
                        session.call(type + ".add_to_" + target.name(), object.ref(), key, value));
    }

    private void paramRemove(CliArgs args, CliSession session, CliOutput out) {
        ApiObject object = session.select(args, type.name(), "uuid");
        CliField field = field(args.require("param-name"));
        ApiField target = writable(field);
        String key = args.require("param-key");
        if (!field.isMap() && !field.isSet()) {
            throw UsageException.failure("field " + field.name() + " is neither a set nor a map");
        }
        boolean there =
                field.isMap()
                        ? field.entries(session.database(), session.records(), object)
                                .containsKey(key)
                        : field.items(session.database(), session.records(), object).contains(key);
        if (!there) {
            throw UsageException.failure("Key " + key + " not found in " + field.name());
        }
        String verb = field.isMap() ? ".remove_from_" : ".remove_";
        session.call(type + verb + target.name(), object.ref(), key);
    }

    private void paramClear(CliArgs args, CliSession session, CliOutput out) {
        ApiObject object = session.select(args, type.name(), "uuid");
        CliField field = field(args.require("param-name"));
        ApiField target = writable(field);
        switch (target.type()) {
            case ApiType.SetOf _, ApiType.MapOf _, ApiType.Text _, ApiType.Ref _ ->
                    session.call(
                            type + ".set_" + target.name(), object.ref(), target.type().zero());
            case ApiType.Int _,
                    ApiType.Real _,
                    ApiType.Bool _,
                    ApiType.Time _,
                    ApiType.Nothing _,
                    ApiType.Choice _,
                    ApiType.Count _,
                    ApiType.RecordOf _,
                    ApiType.AnyRecord _,
                    ApiType.Struct _ ->
                    throw UsageException.failure("field " + field.name() + " cannot be empty");
        }
    }
}
