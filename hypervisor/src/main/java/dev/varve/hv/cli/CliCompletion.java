// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiField;
import dev.varve.hv.xenapi.schema.ApiSchema;
import dev.varve.hv.xenapi.schema.ApiType;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;

/**
 * How a command line that is being typed may go on: commands, names of parameters, and their
 * values.
 *
 * <p>The words before the cursor come in the parameter {@code line}, with the character U+001F
 * between them and without the name of the program; the word at the cursor in {@code current}. The
 * answer is a line for each way: the whole word, a tab, and what it means. A word that ends in
 * {@code =}, {@code :} or {@code ,} goes on. The line {@code :files} asks the shell for the names
 * of files.
 */
final class CliCompletion {
    /** The line that asks for names of files. */
    static final String FILES = ":files";

    private static final String SEPARATOR = "\u001f";
    private static final Set<String> FILE_PARAMS =
            Set.of(
                    "filename",
                    "file-name",
                    "file",
                    "device-config:location",
                    "device-config:device");
    private static final Map<String, String> FLAGS =
            Map.of(
                    "--minimal", "one line for scripts",
                    "--force", "although it is dangerous",
                    "--multiple", "on all objects that fit",
                    "--progress", "show how far it is",
                    "--trace", "show where an error comes from",
                    "--all", "all commands");

    private final CliCommands commands;
    private final CliSession session;
    private final Map<String, String> found = new LinkedHashMap<>();
    private String current = "";

    CliCompletion(CliCommands commands, CliSession session) {
        this.commands = commands;
        this.session = session;
    }

    /** The ways to go on, in the order in which they make most sense. */
    List<String> complete(CliArgs args) {
        current = args.get("current", "");
        List<String> words = new ArrayList<>();
        for (String word : args.get("line", "").split(SEPARATOR, -1)) {
            if (!word.isEmpty() && !word.startsWith("--")) {
                words.add(word);
            }
        }
        if (current.startsWith("-")) {
            new TreeMap<>(FLAGS).forEach(this::offer);
        } else if (words.isEmpty() || words.getFirst().equals("help")) {
            commands.listed().forEach(command -> offer(command.name(), command.meaning()));
        } else {
            commands.find(words.getFirst()).ifPresent(command -> param(command, words));
        }
        List<String> lines = new ArrayList<>();
        found.forEach((word, meaning) -> lines.add(word + "\t" + plain(meaning)));
        return lines;
    }

    /** Adds a way, if it goes on from what was typed and can be typed itself. */
    private void offer(String word, String meaning) {
        if (word.startsWith(current) && word.equals(plain(word))) {
            found.putIfAbsent(word, meaning);
        }
    }

    private static String plain(String text) {
        return text.replaceAll("\\p{Cntrl}", " ");
    }

    private Optional<ApiClass> topic(CliCommand command) {
        return CliTopics.ofCommand(session.database().schema(), command.name());
    }

    private List<CliField> fields(CliCommand command) {
        return topic(command).map(CliField::of).orElse(List.of());
    }

    private void param(CliCommand command, List<String> words) {
        int equals = current.indexOf('=');
        if (equals > 0) {
            value(command, words, current.substring(0, equals), current.substring(equals + 1));
            return;
        }
        Set<String> given = new LinkedHashSet<>();
        for (String word : words) {
            given.add(word.substring(0, Math.max(0, word.indexOf('='))));
        }
        Map<String, String> names = new LinkedHashMap<>();
        command.required().forEach(name -> names.put(name, "required"));
        command.optional().forEach(name -> names.putIfAbsent(name, meaning(command, name)));
        boolean named = command.required().contains("param-name");
        if (command.open() && !named) {
            for (CliField field : fields(command)) {
                if (command.takes(field)) {
                    boolean keys = field.isMap() && command.name().endsWith("-param-set");
                    names.putIfAbsent(field.name() + (keys ? ":" : ""), field.meaning());
                    names.remove(field.name() + (keys ? "" : ":"));
                }
            }
        }
        names.forEach(
                (name, meaning) -> {
                    if (!given.contains(name) && !isChosen(command, name, given)) {
                        offer(name.endsWith(":") ? name : name + "=", meaning);
                    }
                });
    }

    /** Whether the object that a parameter chooses by UUID is chosen by its name already. */
    private boolean isChosen(CliCommand command, String param, Set<String> given) {
        ApiSchema schema = session.database().schema();
        Optional<ApiClass> type = CliTopics.ofUuid(schema, command.name(), param);
        return type.isPresent()
                && given.stream().anyMatch(word -> CliTopics.ofName(schema, word).equals(type));
    }

    private String meaning(CliCommand command, String param) {
        String name = param.endsWith(":") ? param.substring(0, param.length() - 1) : param;
        return fields(command).stream()
                .filter(field -> field.name().equals(name))
                .map(CliField::meaning)
                .findFirst()
                .orElse("");
    }

    /** The values of the parameter {@code name}, of which {@code typed} is there. */
    private void value(CliCommand command, List<String> words, String name, String typed) {
        if (FILE_PARAMS.contains(name)) {
            found.put(FILES, "");
        } else if (name.equals("params")) {
            list(command, typed);
        } else if (name.equals("param-name")) {
            for (CliField field : fields(command)) {
                if (command.takes(field)) {
                    offer(name + "=" + field.name(), field.meaning());
                }
            }
        } else if (name.equals("param-key")) {
            keys(command, words);
        } else {
            switch (command.name()) {
                case "varve-attach" -> objects(name, "VDI", vdi -> vdi.flag("managed"));
                case "varve-detach" -> objects(name, "VDI", attached()::contains);
                case "varve-tree" -> {
                    objects(name, "SR", _ -> true);
                    objects(name, "VDI", _ -> true);
                }
                default -> object(command, name);
            }
        }
    }

    private Set<ApiObject> attached() {
        Set<ApiObject> attached = new LinkedHashSet<>();
        for (ApiObject vbd : session.database().all("VBD")) {
            if (vbd.flag("currently_attached")) {
                session.database().find(vbd.text("VDI")).ifPresent(attached::add);
            }
        }
        return attached;
    }

    /** Names of fields with commas between them; the last one is being typed. */
    private void list(CliCommand command, String typed) {
        String before = typed.substring(0, typed.lastIndexOf(',') + 1);
        Set<String> given = Set.of(before.split(",", -1));
        if (before.isEmpty()) {
            offer("params=all", "all fields");
        }
        for (CliField field : fields(command)) {
            if (!given.contains(field.name())) {
                offer("params=" + before + field.name(), field.meaning());
            }
        }
    }

    /** The keys of the map, or the values of the set, that the words before name. */
    private void keys(CliCommand command, List<String> words) {
        Map<String, String> given = new LinkedHashMap<>();
        for (String word : words) {
            int equals = word.indexOf('=');
            if (equals > 0) {
                given.put(word.substring(0, equals), word.substring(equals + 1));
            }
        }
        Optional<ApiObject> object =
                topic(command)
                        .flatMap(
                                type ->
                                        session.database()
                                                .findByUuid(
                                                        type.name(),
                                                        given.getOrDefault("uuid", "")));
        for (CliField field : fields(command)) {
            if (object.isPresent() && field.name().equals(given.get("param-name"))) {
                if (field.isMap()) {
                    field.entries(session.database(), session.records(), object.get())
                            .forEach((key, value) -> offer("param-key=" + key, value));
                } else if (field.isSet()) {
                    field.items(session.database(), session.records(), object.get())
                            .forEach(item -> offer("param-key=" + item, ""));
                }
            }
        }
    }

    /** The objects that a parameter can choose, or the values of the field that has its name. */
    private void object(CliCommand command, String name) {
        Optional<ApiClass> byUuid =
                CliTopics.ofUuid(session.database().schema(), command.name(), name);
        Optional<ApiClass> byName = CliTopics.ofName(session.database().schema(), name);
        if (byUuid.isPresent()) {
            boolean snapshots = CliTopics.isSnapshot(command.name(), name);
            objects(
                    name,
                    byUuid.get().name(),
                    object -> !snapshots || object.flag("is_a_snapshot"));
        } else if (byName.isPresent()) {
            for (ApiObject object : session.database().all(byName.get().name())) {
                offer(name + "=" + object.text("name_label"), object.uuid());
            }
        } else {
            for (CliField field : fields(command)) {
                if (field.name().equals(name)) {
                    values(command, field);
                }
            }
        }
    }

    private void values(CliCommand command, CliField field) {
        Optional<ApiType> type = field.field().map(ApiField::type);
        String word = field.name() + "=";
        if (type.isPresent() && type.get() instanceof ApiType.Bool) {
            offer(word + "true", "");
            offer(word + "false", "");
        } else if (type.isPresent() && type.get() instanceof ApiType.Choice choice) {
            choice.values().forEach(value -> offer(word + value, ""));
        } else if (type.isPresent()
                && type.get() instanceof ApiType.Ref ref
                && field.view() == ApiField.CliView.UUID
                && session.database().schema().find(ref.className()).isPresent()) {
            objects(field.name(), ref.className(), _ -> true);
        } else if (command.name().endsWith("-list") || field.name().equals("type")) {
            // What there is to be found.
            for (ApiObject object : session.database().all(topic(command).orElseThrow().name())) {
                offer(word + field.text(session.database(), session.records(), object), "");
            }
        }
    }

    private void objects(String name, String className, Predicate<ApiObject> fitting) {
        for (ApiObject object : session.database().all(className)) {
            if (fitting.test(object)) {
                offer(name + "=" + object.uuid(), label(object));
            }
        }
    }

    /** The name of an object, or the names of what it refers to. */
    private String label(ApiObject object) {
        if (object.type().field("name_label").isPresent()) {
            return object.text("name_label");
        }
        List<String> names = new ArrayList<>();
        for (ApiField field : object.type().fields()) {
            if (field.type() instanceof ApiType.Ref && field.visible()) {
                session.database()
                        .find(String.valueOf(session.records().value(object, field)))
                        .filter(other -> other.type().field("name_label").isPresent())
                        .ifPresent(other -> names.add(other.text("name_label")));
            }
        }
        return String.join(", ", names);
    }
}
