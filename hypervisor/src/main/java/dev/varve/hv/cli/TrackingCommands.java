// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import java.util.List;

/** Commands for changed blocks. */
final class TrackingCommands {
    private TrackingCommands() {}

    static List<CliCommand> all() {
        return List.of(
                on("enable-cbt", "Begins to track which blocks of a disk change."),
                on("disable-cbt", "Ends that, and forgets what changed."),
                on("data-destroy", "Removes what a snapshot holds, but for its log of changes."),
                CliCommand.of(
                        "vdi-list-changed-blocks",
                        "vdi-from-uuid vdi-to-uuid",
                        "",
                        "Tells by which blocks of 64 KiB a disk differs from an earlier snapshot:"
                                + " a bitmap in base64.",
                        TrackingCommands::list));
    }

    private static CliCommand on(String what, String meaning) {
        return CliCommand.of(
                "vdi-" + what,
                "uuid",
                "",
                meaning,
                (args, session, _) ->
                        session.call(
                                "VDI." + what.replace('-', '_'),
                                session.select(args, "VDI", "uuid").ref()));
    }

    private static void list(CliArgs args, CliSession session, CliOutput out) {
        String from = session.byUuid("VDI", args.require("vdi-from-uuid")).ref();
        String to = session.byUuid("VDI", args.require("vdi-to-uuid")).ref();
        out.print((String) session.call("VDI.list_changed_blocks", from, to));
    }
}
