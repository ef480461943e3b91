// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import java.util.List;

/** The commands behind {@code varve status}, {@code varve attach} and {@code varve detach}. */
final class ControlCommands {
    private ControlCommands() {}

    static List<CliCommand> of(Control control) {
        return List.of(
                CliCommand.of(
                                "varve-attach",
                                "uuid",
                                "vdi read-only",
                                "Attaches a disk to this host; prints its NBD address.",
                                (args, session, out) ->
                                        out.print(
                                                control.attach(
                                                        session.select(args, "VDI", "uuid").ref(),
                                                        args.bool("read-only", false),
                                                        session::call)))
                        .concealed(),
                CliCommand.of(
                                "varve-detach",
                                "uuid",
                                "vdi",
                                "Takes a disk from this host.",
                                (args, session, _) ->
                                        control.detach(
                                                session.select(args, "VDI", "uuid").ref(),
                                                session::call))
                        .concealed(),
                CliCommand.of(
                                "varve-status",
                                "",
                                "",
                                "Tells how the daemon does.",
                                (_, _, out) -> control.status().forEach(out::print))
                        .concealed());
    }
}
