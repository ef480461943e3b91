// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;

/** Commands for messages. */
final class MessageCommands {
    /** The classes that messages can be about, by the parameter that names the object. */
    private static final SequencedMap<String, String> ABOUT =
            new TreeMap<>(
                    Map.of(
                            "vm-uuid", "VM",
                            "pool-uuid", "Pool",
                            "sr-uuid", "SR",
                            "host-uuid", "Host",
                            "vdi-uuid", "VDI"));

    private MessageCommands() {}

    static List<CliCommand> all() {
        return List.of(
                CliCommand.of(
                        "message-create",
                        "name priority",
                        "body host-uuid pool-uuid sr-uuid vdi-uuid vm-uuid",
                        "Makes a message about the one object that is named; prints its UUID.",
                        MessageCommands::create),
                CliCommand.of(
                        "message-destroy",
                        "uuid",
                        "",
                        "Removes a message.",
                        (args, session, _) ->
                                session.call(
                                        "message.destroy",
                                        session.select(args, "message", "uuid").ref())));
    }

    private static void create(CliArgs args, CliSession session, CliOutput out) {
        String cls = null;
        String uuid = null;
        for (Map.Entry<String, String> about : ABOUT.entrySet()) {
            Optional<String> given = args.get(about.getKey());
            if (given.isPresent() && cls != null) {
                cls = null;
                break;
            }
            if (given.isPresent()) {
                cls = about.getValue();
                uuid = given.get();
            }
        }
        if (cls == null) {
            throw UsageException.failure(
                    "name the one object that the message is about, with one of "
                            + String.join(", ", ABOUT.keySet()));
        }
        out.print(
                session.create(
                        "message.create",
                        args.require("name"),
                        CliArgs.integer("priority", args.require("priority")),
                        cls,
                        uuid,
                        args.get("body", "")));
    }
}
