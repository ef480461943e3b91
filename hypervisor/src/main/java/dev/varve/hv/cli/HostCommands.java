// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.schema.ApiClass;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The commands about the host itself: its tasks, its events, its user. */
final class HostCommands {
    /** How long one call waits; the command makes as many as it needs. */
    private static final double WAIT_SECONDS = 60;

    private HostCommands() {}

    static List<CliCommand> all() {
        List<CliCommand> commands = new ArrayList<>();
        commands.add(
                CliCommand.of(
                        "task-cancel",
                        "uuid",
                        "",
                        "Asks for an end of what a task does.",
                        (args, session, _) ->
                                session.call(
                                        "task.cancel",
                                        session.select(args, "task", "uuid").ref())));
        commands.add(
                CliCommand.of(
                                "event-wait",
                                "class",
                                "",
                                "Waits until there is an object of a class with these values of"
                                        + " fields; a value that begins with /= must be another"
                                        + " one.",
                                HostCommands::eventWait)
                        .opened());
        commands.add(
                CliCommand.of(
                        "host-get-server-certificate",
                        "",
                        "uuid",
                        "Prints the certificate of the host, in PEM.",
                        HostCommands::certificate));
        commands.add(
                CliCommand.of(
                        "user-password-change",
                        "new",
                        "old",
                        "Changes the password for logins over the network.",
                        (args, session, _) ->
                                session.call(
                                        "session.change_password",
                                        args.get("old", ""),
                                        args.require("new"))));
        return commands;
    }

    private static void certificate(CliArgs args, CliSession session, CliOutput out) {
        ApiObject host = session.find(args, "host", "uuid").orElseGet(() -> session.host(args));
        String pem = (String) session.call("host.get_server_certificate", host.ref());
        out.print(pem.stripTrailing());
    }

    private static void eventWait(CliArgs args, CliSession session, CliOutput out) {
        String name = args.require("class").toLowerCase(Locale.ROOT);
        ApiClass type =
                session.database().schema().classes().stream()
                        .filter(one -> one.cliName().equals(name))
                        .filter(one -> !one.is(ApiClass.Trait.UNLISTED))
                        .findFirst()
                        .orElseThrow(() -> UsageException.failure("there is no class " + name));
        Map<String, String> wanted = args.specific();
        wanted.remove("class");
        String token = "";
        while (true) {
            // The token comes first, so that nothing between the look and the wait is missed.
            Map<?, ?> batch =
                    (Map<?, ?>)
                            session.call(
                                    "event.from",
                                    List.of(name),
                                    token,
                                    token.isEmpty() ? 0.0 : WAIT_SECONDS);
            token = (String) batch.get("token");
            if (ClassCommands.anyIs(type, wanted, session)) {
                return;
            }
        }
    }
}
