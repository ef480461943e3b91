// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xenapi.schema.ApiSchema;

import java.util.ArrayList;
import java.util.List;
import java.util.SequencedMap;

/** What {@code xe help} shows. */
record CliHelp(CliCommands commands, ApiSchema schema) {
    private static final String INDENT = " ".repeat(8);

    /** The list of commands, or more about those that are named. */
    void show(CliArgs args, CliOutput out) {
        boolean minimal = args.flag("minimal");
        if (args.words().isEmpty()) {
            list(args.flag("all"), minimal, out);
        }
        for (String name : args.words()) {
            CliCommand command =
                    commands.find(name)
                            .orElseThrow(() -> UsageException.syntax("Unknown command: " + name));
            if (minimal) {
                List<String> params = new ArrayList<>(command.required());
                params.addAll(command.optional());
                out.list(params);
            } else {
                describe(command, out);
            }
        }
    }

    private void list(boolean all, boolean minimal, CliOutput out) {
        List<CliCommand> shown =
                commands.listed().stream()
                        .filter(command -> all || !command.name().contains("-param-"))
                        .toList();
        if (minimal) {
            out.list(shown.stream().map(CliCommand::name).toList());
            return;
        }
        out.print(
                """
                Usage: xe <command> [-s server] [-p port] [-u user] [-pw password] \
                [-pwf password-file] [--nossl]
                       [command specific arguments]

                More about one command:   xe help <command>
                All commands:             xe help --all
                """);
        out.print(all ? "All commands:" : "Common commands:");
        int width = shown.stream().mapToInt(command -> command.name().length()).max().orElse(0);
        for (CliCommand command : shown) {
            out.print("    " + padded(command.name(), width) + "  " + command.meaning());
        }
    }

    private static String padded(String text, int width) {
        return text + " ".repeat(width - text.length());
    }

    private void describe(CliCommand command, CliOutput out) {
        SequencedMap<String, String> text = new java.util.LinkedHashMap<>();
        text.put("command name            ", command.name());
        text.put("        reqd params     ", String.join(", ", command.required()));
        text.put("        optional params ", String.join(", ", command.optional()));
        text.put("        description     ", command.meaning());
        StringBuilder lines = new StringBuilder();
        text.forEach((key, value) -> lines.append(key).append(": ").append(value).append('\n'));
        fields(command, lines);
        out.print(lines.toString());
    }

    /** The fields that a command takes, as parameters or as the value of one. */
    private void fields(CliCommand command, StringBuilder lines) {
        List<CliField> fields =
                CliTopics.ofCommand(schema, command.name()).stream()
                        .flatMap(type -> CliField.of(type).stream())
                        .filter(command::takes)
                        .toList();
        if (fields.isEmpty()) {
            return;
        }
        lines.append('\n').append(INDENT);
        lines.append(
                command.open() && !command.required().contains("param-name")
                        ? "fields, given as FIELD=VALUE, or FIELD:KEY=VALUE for one marked M:"
                        : "fields, for param-name=FIELD:");
        lines.append('\n');
        int width = fields.stream().mapToInt(field -> field.marked().length()).max().orElse(0);
        for (CliField field : fields) {
            lines.append(INDENT).append("  ").append(padded(field.marked(), width));
            lines.append("  ").append(field.meaning()).append('\n');
        }
    }
}
