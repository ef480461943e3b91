// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiSchema;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;

/** All commands: those of the classes, those of storage and of the host, the help, and what the daemon adds. */
final class CliCommands {
    private final TreeMap<String, CliCommand> commands = new TreeMap<>();

    CliCommands(ApiSchema schema, List<CliCommand> more) {
        for (ApiClass type : schema.classes()) {
            if (!type.is(ApiClass.Trait.UNLISTED)) {
                ClassCommands.of(type).forEach(this::add);
            }
        }
        StorageCommands.all().forEach(this::add);
        SnapshotCommands.all().forEach(this::add);
        HostCommands.all().forEach(this::add);
        more.forEach(this::add);
        add(
                CliCommand.of(
                        "help",
                        "",
                        "",
                        "Lists commands; with --all all of them, with a name more about it.",
                        (args, _, out) -> help(args, out)));
    }

    private void add(CliCommand command) {
        commands.put(command.name(), command);
    }

    Optional<CliCommand> find(String name) {
        return Optional.ofNullable(commands.get(name));
    }

    private void help(CliArgs args, CliOutput out) {
        if (!args.words().isEmpty()) {
            args.words().forEach(name -> describe(name, out));
            return;
        }
        List<String> names = new ArrayList<>();
        for (CliCommand command : commands.values()) {
            boolean common = !command.name().contains("-param-");
            if (!command.hidden() && (common || args.flag("all"))) {
                names.add(command.name());
            }
        }
        if (args.flag("minimal")) {
            out.list(names);
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
        out.print(args.flag("all") ? "All commands:" : "Common commands:");
        names.forEach(name -> out.print("    " + name));
    }

    private void describe(String name, CliOutput out) {
        CliCommand command =
                find(name).orElseThrow(() -> UsageException.syntax("Unknown command: " + name));
        SequencedMap<String, String> text = new java.util.LinkedHashMap<>();
        text.put("command name            ", command.name());
        text.put("        reqd params     ", String.join(", ", command.required()));
        text.put("        optional params ", String.join(", ", command.optional()));
        text.put("        description     ", command.meaning());
        StringBuilder lines = new StringBuilder();
        text.forEach((key, value) -> lines.append(key).append(": ").append(value).append('\n'));
        out.print(lines.toString());
    }
}
