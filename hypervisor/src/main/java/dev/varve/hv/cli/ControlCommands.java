// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.vdi.ErrorCode;

import java.util.List;
import java.util.Optional;

/** The commands behind those of the launcher, such as {@code varve status}. */
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
                        .concealed(),
                CliCommand.of(
                                "varve-passwd",
                                "",
                                "new-password",
                                "Sets the password for logins over the network, or removes it.",
                                (args, session, out) -> {
                                    ownerOnly(session);
                                    control.password(args.get("new-password")).forEach(out::print);
                                })
                        .concealed(),
                CliCommand.of(
                                "varve-handback-check",
                                "uuid",
                                "",
                                "Tells what hinders giving a repository back to the reference.",
                                ControlCommands::handback)
                        .concealed(),
                CliCommand.of(
                                "varve-tree",
                                "",
                                "uuid",
                                "Draws the layers of all disks, of a repository or of one disk.",
                                (args, session, out) ->
                                        control.tree(chosen(args, session)).forEach(out::print))
                        .concealed());
    }

    private static void handback(CliArgs args, CliSession session, CliOutput out) {
        ApiObject sr = session.select(args, "SR", "uuid");
        List<?> problems = (List<?>) session.call("SR.get_handback_problems", sr.ref());
        problems.forEach(problem -> out.print((String) problem));
        if (problems.isEmpty()) {
            out.print(
                    "nothing hinders it: unplug it here with pbd-unplug, and introduce %s there"
                            .formatted(sr.uuid()));
        } else {
            throw UsageException.failure(
                    problems.size() + " of these hinder giving the repository back");
        }
    }

    private static void ownerOnly(CliSession session) {
        if (!session.caller().local()) {
            throw ErrorCode.PERMISSION_DENIED.with(
                    "only the owner of the daemon sets the password, on its own machine");
        }
    }

    private static Optional<String> chosen(CliArgs args, CliSession session) {
        return args.get("uuid").map(uuid -> session.byUuid(List.of("SR", "VDI"), uuid).ref());
    }
}
