// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.docs;

import dev.varve.hv.cli.CliReference;
import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiSchema;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The commands of {@code xe}, as a page and as a section of its manual page. */
final class XeReference {
    private final ApiSchema schema = ApiSchema.XENAPI;
    private final Map<String, List<CliReference.Command>> topics =
            CliReference.commands(schema).stream()
                    .collect(
                            Collectors.groupingBy(
                                    CliReference.Command::topic,
                                    TreeMap::new,
                                    Collectors.toList()));

    /** A text that cannot break a table. */
    static String cell(String text) {
        return text.replace("|", "\\|").replace("<", "&lt;");
    }

    private Optional<ApiClass> type(String topic) {
        return schema.classes().stream().filter(type -> type.cliName().equals(topic)).findFirst();
    }

    /** The generated part of the page. */
    String page() {
        StringBuilder page = new StringBuilder("\n## Contents\n\n");
        for (String topic : topics.keySet()) {
            page.append("- [").append(topic).append("](#").append(topic).append(")");
            type(topic).ifPresent(type -> page.append(": ").append(lower(type.meaning())));
            page.append('\n');
        }
        topics.forEach((topic, commands) -> topic(page, topic, commands));
        return page.append('\n').toString();
    }

    /** As the rest of a line after a colon. */
    private static String lower(String sentence) {
        String text = sentence.endsWith(".") ? chop(sentence) : sentence;
        return Character.isUpperCase(text.charAt(0))
                ? text.substring(0, 1).toLowerCase(Locale.ROOT) + text.substring(1)
                : text;
    }

    private static String chop(String text) {
        return text.substring(0, text.length() - 1);
    }

    private void topic(StringBuilder page, String topic, List<CliReference.Command> commands) {
        page.append("\n## ").append(topic).append('\n');
        type(topic).ifPresent(type -> page.append('\n').append(type.meaning()).append('\n'));
        page.append("\n| command | required | optional | what it does |\n|---|---|---|---|\n");
        for (CliReference.Command command : commands) {
            page.append("| `").append(command.name()).append("` | ");
            page.append(String.join(" ", quoted(command.required()))).append(" | ");
            page.append(String.join(" ", optional(command))).append(" | ");
            page.append(cell(command.meaning())).append(" |\n");
        }
        type(topic).ifPresent(type -> fields(page, type));
    }

    private static List<String> quoted(List<String> params) {
        List<String> quoted = new ArrayList<>();
        for (String param : params) {
            quoted.add("`" + param + (param.endsWith(":") ? "KEY=`" : "=`"));
        }
        return quoted;
    }

    /** What {@code param-set} takes stands in the table of fields below. */
    private static List<String> optional(CliReference.Command command) {
        if (command.name().endsWith("-param-set")) {
            return List.of("fields marked RW");
        }
        List<String> params = quoted(command.optional());
        if (command.name().endsWith("-param-add")) {
            params.add("`KEY=VALUE`");
        } else if (command.open()) {
            params.add("any field, as a filter");
        }
        return params;
    }

    private static void fields(StringBuilder page, ApiClass type) {
        page.append("\nFields of `").append(type.cliName()).append("`; `-list` shows ");
        page.append(String.join(", ", type.listed().stream().map(f -> "`" + f + "`").toList()));
        page.append(" unless `params=` asks for others:\n");
        page.append("\n| field | | type | meaning |\n|---|---|---|---|\n");
        for (CliReference.Field field : CliReference.fields(type)) {
            page.append("| `").append(field.name()).append("` | ").append(field.access());
            page.append(" | ").append(cell(field.type())).append(" | ");
            page.append(cell(field.meaning())).append(" |\n");
        }
    }

    /** The generated part of the manual page. */
    String manual() {
        StringBuilder page = new StringBuilder();
        topics.forEach(
                (topic, commands) -> {
                    page.append(".SS ").append(roff(topic)).append('\n');
                    commands.stream()
                            .filter(command -> !command.name().contains("-param-"))
                            .forEach(command -> manual(page, command));
                });
        return page.toString();
    }

    private static void manual(StringBuilder page, CliReference.Command command) {
        page.append(".TP\n.B ").append(roff(command.name())).append('\n');
        StringBuilder params = new StringBuilder();
        for (String param : command.required()) {
            params.append(' ').append(word(param));
        }
        for (String param : command.optional()) {
            params.append(" [").append(word(param)).append(']');
        }
        if (command.open()) {
            params.append(" [FIELD=VALUE]...");
        }
        if (!params.isEmpty()) {
            page.append(roff(params.toString().strip())).append("\n.br\n");
        }
        page.append(roff(command.meaning())).append('\n');
    }

    private static String word(String param) {
        return param.endsWith(":") ? param + "KEY=VALUE" : param + "=VALUE";
    }

    /** A text of a manual page: hyphens that can be copied, and no accidental requests. */
    static String roff(String text) {
        String escaped = text.replace("\\", "\\e").replace("-", "\\-");
        return escaped.startsWith(".") || escaped.startsWith("'") ? "\\&" + escaped : escaped;
    }
}
