// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiSchema;

import java.util.List;
import java.util.Optional;
import java.util.TreeMap;

/**
 * All commands: those of the classes, those of storage and of the host, the help, and what the
 * daemon adds.
 */
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
        TrackingCommands.all().forEach(this::add);
        TransferCommands.all().forEach(this::add);
        HostCommands.all().forEach(this::add);
        MessageCommands.all().forEach(this::add);
        more.forEach(this::add);
        add(
                CliCommand.of(
                        "help",
                        "",
                        "",
                        "Lists commands; with --all all of them, with a name more about it.",
                        (args, session, out) ->
                                new CliHelp(this, session.database().schema()).show(args, out)));
        add(
                CliCommand.of(
                                "varve-complete",
                                "",
                                "line current",
                                "Tells how an unfinished command line may go on.",
                                (args, session, out) ->
                                        new CliCompletion(this, session)
                                                .complete(args)
                                                .forEach(out::print))
                        .concealed());
    }

    private void add(CliCommand command) {
        commands.put(command.name(), command);
    }

    Optional<CliCommand> find(String name) {
        return Optional.ofNullable(commands.get(name));
    }

    /** The commands that the help lists, in the order of their names. */
    List<CliCommand> listed() {
        return commands.values().stream().filter(command -> !command.hidden()).toList();
    }
}
