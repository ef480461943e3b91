// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xenapi.ApiObject;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * The commands that make disks from disks. Those whose names begin with {@code snapshot} take the
 * snapshots of disks and nothing else.
 */
final class SnapshotCommands {
    private static final String NAMES = "new-name-label new-name-description";
    private static final List<String> LISTED =
            List.of(
                    "uuid",
                    "name-label",
                    "name-description",
                    "snapshot-of",
                    "snapshot-time",
                    "sr-uuid",
                    "virtual-size");

    private SnapshotCommands() {}

    static List<CliCommand> all() {
        List<CliCommand> commands = new ArrayList<>();
        commands.add(
                CliCommand.of(
                        "vdi-snapshot",
                        "uuid",
                        NAMES + " driver-params:",
                        "Keeps what a disk holds now, or several with commas between their UUIDs"
                                + " at one instant; prints the UUIDs of the snapshots.",
                        SnapshotCommands::snapshot));
        commands.add(
                CliCommand.of(
                        "vdi-clone",
                        "uuid",
                        NAMES + " driver-params:",
                        "Makes a disk that shares what another one holds; prints its UUID.",
                        (args, session, out) ->
                                clone(session.select(args, "VDI", "uuid"), args, session, out)));
        commands.add(
                CliCommand.of(
                        "vdi-copy",
                        "uuid",
                        "sr-uuid base-vdi-uuid into-vdi-uuid",
                        "Makes a disk of its own of what another one holds, in the same repository"
                                + " or in another; prints its UUID.",
                        (args, session, out) ->
                                copy(session.select(args, "VDI", "uuid"), args, session, out)));
        commands.add(
                CliCommand.of(
                        "vdi-revert",
                        "snapshot-uuid",
                        "uuid",
                        "Gives a disk what one of its snapshots holds.",
                        SnapshotCommands::revert));
        commands.addAll(ofSnapshots());
        return commands;
    }

    private static List<CliCommand> ofSnapshots() {
        return List.of(
                CliCommand.of(
                        "snapshot-clone",
                        "uuid new-name-label",
                        "new-name-description driver-params:",
                        "Makes a disk that shares what a snapshot holds; prints its UUID.",
                        (args, session, out) -> {
                            args.require("new-name-label");
                            clone(selected(args, session), args, session, out);
                        }),
                CliCommand.of(
                        "snapshot-copy",
                        "uuid new-name-label",
                        "new-name-description sr-uuid",
                        "Makes a disk of its own of what a snapshot holds; prints its UUID.",
                        (args, session, out) -> {
                            args.require("new-name-label");
                            copy(selected(args, session), args, session, out);
                        }),
                CliCommand.of(
                        "snapshot-revert",
                        "uuid",
                        "",
                        "Gives the disk that a snapshot was taken of what the snapshot holds.",
                        (args, session, _) -> {
                            ApiObject snapshot = selected(args, session);
                            revert(source(snapshot, session), snapshot, session);
                        }),
                CliCommand.of(
                        "snapshot-destroy",
                        "uuid",
                        "",
                        "Removes a snapshot.",
                        (args, session, _) ->
                                session.call("VDI.destroy", selected(args, session).ref())),
                CliCommand.of(
                        "snapshot-disk-list",
                        "",
                        "uuid params",
                        "Lists the snapshots of disks, all or one.",
                        SnapshotCommands::list));
    }

    private static void snapshot(CliArgs args, CliSession session, CliOutput out) {
        List<ApiObject> disks = session.selectSeveral(args, "VDI", "uuid");
        List<String> refs = snapshots(disks, args.map("driver-params"), session);
        refs.forEach(ref -> name(ref, args, session));
        out.list(refs.stream().map(session::uuid).toList());
    }

    private static List<String> snapshots(
            List<ApiObject> disks, Map<String, String> params, CliSession session) {
        if (disks.size() == 1) {
            return List.of((String) session.call("VDI.snapshot", disks.getFirst().ref(), params));
        }
        List<String> refs = disks.stream().map(ApiObject::ref).toList();
        return ((List<?>) session.call("VDI.snapshot_group", refs, params))
                .stream().map(String.class::cast).toList();
    }

    /** Names what was made, where the user gives it another name than that of its source. */
    private static void name(String ref, CliArgs args, CliSession session) {
        args.get("new-name-label").ifPresent(text -> session.call("VDI.set_name_label", ref, text));
        args.get("new-name-description")
                .ifPresent(text -> session.call("VDI.set_name_description", ref, text));
    }

    private static void clone(ApiObject vdi, CliArgs args, CliSession session, CliOutput out) {
        String ref = (String) session.call("VDI.clone", vdi.ref(), args.map("driver-params"));
        name(ref, args, session);
        out.list(List.of(session.uuid(ref)));
    }

    private static void copy(ApiObject vdi, CliArgs args, CliSession session, CliOutput out) {
        String sr = session.find(args, "SR", "sr-uuid").map(ApiObject::ref).orElse(vdi.text("SR"));
        Function<String, String> given =
                param -> args.get(param).map(uuid -> session.byUuid("VDI", uuid).ref()).orElse("");
        String ref =
                (String)
                        session.call(
                                "VDI.copy",
                                vdi.ref(),
                                sr,
                                given.apply("base-vdi-uuid"),
                                given.apply("into-vdi-uuid"));
        name(ref, args, session);
        out.list(List.of(session.uuid(ref)));
    }

    private static void revert(CliArgs args, CliSession session, CliOutput out) {
        ApiObject snapshot =
                find(args, session, "snapshot-uuid")
                        .orElseThrow(
                                () ->
                                        UsageException.syntax(
                                                "Required parameter not found: snapshot-uuid"));
        ApiObject vdi =
                session.find(args, "VDI", "uuid").orElseGet(() -> source(snapshot, session));
        revert(vdi, snapshot, session);
    }

    private static void revert(ApiObject vdi, ApiObject snapshot, CliSession session) {
        session.call("VDI.revert", vdi.ref(), snapshot.ref());
    }

    private static ApiObject source(ApiObject snapshot, CliSession session) {
        return session.database()
                .find(snapshot.text("snapshot_of"))
                .orElseThrow(
                        () ->
                                UsageException.failure(
                                        "the disk that snapshot "
                                                + snapshot.uuid()
                                                + " was taken of is not there any more"));
    }

    private static ApiObject selected(CliArgs args, CliSession session) {
        return find(args, session, "snapshot-uuid")
                .or(() -> find(args, session, "uuid"))
                .orElseThrow(() -> UsageException.syntax("Required parameter not found: uuid"));
    }

    /** The snapshot that the parameters choose by UUID, the start of one, or name. */
    private static Optional<ApiObject> find(CliArgs args, CliSession session, String param) {
        Optional<ApiObject> chosen =
                args.get(param)
                        .map(uuid -> session.byUuid("VDI", uuid))
                        .or(
                                () ->
                                        args.get("snapshot")
                                                .or(() -> args.get("snapshot-name-label"))
                                                .map(name -> byName(name, session)));
        chosen.filter(vdi -> !vdi.flag("is_a_snapshot"))
                .ifPresent(
                        vdi -> {
                            throw UsageException.failure(
                                    "disk "
                                            + vdi.uuid()
                                            + " ("
                                            + vdi.text("name_label")
                                            + ") is not a snapshot");
                        });
        return chosen;
    }

    private static ApiObject byName(String name, CliSession session) {
        return session.byName("VDI", name, vdi -> vdi.flag("is_a_snapshot"));
    }

    private static void list(CliArgs args, CliSession session, CliOutput out) {
        Map<String, String> filters = new LinkedHashMap<>();
        filters.put("is-a-snapshot", "true");
        find(args, session, "snapshot-uuid")
                .or(() -> find(args, session, "uuid"))
                .ifPresent(snapshot -> filters.put("uuid", snapshot.uuid()));
        ClassCommands.list(
                session.database().schema().require("VDI"), filters, LISTED, args, session, out);
    }
}
