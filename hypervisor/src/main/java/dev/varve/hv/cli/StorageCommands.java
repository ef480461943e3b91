// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.schema.OpaqueRef;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;

/** The commands that work on repositories, disks and their connections. */
final class StorageCommands {
    private StorageCommands() {}

    static List<CliCommand> all() {
        List<CliCommand> commands = new ArrayList<>();
        commands.add(
                CliCommand.of(
                        "sr-create",
                        "name-label type",
                        "name-description host-uuid device-config: shared physical-size"
                                + " content-type sm-config:",
                        "Makes a storage repository and plugs it in; prints its UUID.",
                        StorageCommands::srCreate));
        commands.add(
                CliCommand.of(
                        "sr-introduce",
                        "name-label type uuid",
                        "name-description shared content-type",
                        "Makes a storage repository known that is there already.",
                        StorageCommands::srIntroduce));
        commands.add(
                CliCommand.of(
                        "sr-probe",
                        "type",
                        "host-uuid device-config: sm-config:",
                        "Tells which storage repositories are at a place.",
                        StorageCommands::srProbe));
        commands.add(
                CliCommand.of(
                        "sr-paths",
                        "uuid",
                        "",
                        "Lists the paths of this host to the medium of a repository, and how they"
                                + " do.",
                        StorageCommands::srPaths));
        commands.add(on("SR", "scan", "Finds the disks of a storage repository anew."));
        commands.add(on("SR", "update", "Finds out the sizes of a storage repository anew."));
        commands.add(on("SR", "forget", "Drops what is known of it; its data stays."));
        commands.add(on("SR", "destroy", "Removes a storage repository from its medium."));
        commands.add(
                CliCommand.of(
                        "pbd-create",
                        "host-uuid sr-uuid",
                        "device-config:",
                        "Connects a storage repository to a host; prints the UUID.",
                        StorageCommands::pbdCreate));
        commands.add(
                CliCommand.of(
                        "secret-create",
                        "value",
                        "other-config:",
                        "Keeps a secret that a device configuration can name; prints its UUID.",
                        StorageCommands::secretCreate));
        commands.add(on("secret", "destroy", "Forgets a secret."));
        commands.add(on("PBD", "plug", "Makes the host use the storage repository."));
        commands.add(on("PBD", "unplug", "Makes the host let go of the storage repository."));
        commands.add(on("PBD", "destroy", "Removes a connection that is not plugged in."));
        commands.add(
                CliCommand.of(
                        "vdi-create",
                        "sr-uuid name-label virtual-size",
                        "name-description sm-config: other-config: sharable read-only tags: type",
                        "Makes a disk that reads as zero; prints its UUID.",
                        StorageCommands::vdiCreate));
        commands.add(
                CliCommand.of(
                        "vdi-resize",
                        "uuid disk-size",
                        "online",
                        "Makes a disk larger.",
                        StorageCommands::vdiResize));
        commands.add(on("VDI", "destroy", "Removes a disk and its data."));
        commands.add(on("VDI", "forget", "Drops what is known of a disk; its data stays."));
        commands.add(on("VDI", "update", "Finds out the sizes of a disk anew."));
        commands.add(
                CliCommand.of(
                        "vbd-create",
                        "vm-uuid device",
                        "vdi-uuid bootable type mode unpluggable",
                        "Connects a disk to a VM; prints the UUID.",
                        StorageCommands::vbdCreate));
        commands.add(on("VBD", "plug", "Gives the disk to the running VM."));
        commands.add(on("VBD", "unplug", "Takes the disk from the running VM."));
        commands.add(on("VBD", "destroy", "Removes a connection that is not plugged in."));
        commands.add(on("task", "cancel", "Asks for an end of the work."));
        return commands;
    }

    /** A command that calls the method of the same name on one object. */
    private static CliCommand on(String className, String method, String meaning) {
        String name = className.toLowerCase(java.util.Locale.ROOT) + "-" + method;
        return CliCommand.of(
                name,
                "uuid",
                "",
                meaning,
                (args, session, _) ->
                        session.call(
                                className + "." + method,
                                session.select(args, className, "uuid").ref()));
    }

    private static void srCreate(CliArgs args, CliSession session, CliOutput out) {
        String uuid =
                session.create(
                        "SR.create",
                        session.host(args).ref(),
                        args.map("device-config"),
                        CliArgs.size("physical-size", args.get("physical-size", "0")),
                        args.require("name-label"),
                        args.get("name-description", ""),
                        args.require("type"),
                        args.get("content-type", ""),
                        args.bool("shared", false),
                        args.map("sm-config"));
        out.list(List.of(uuid));
    }

    private static void secretCreate(CliArgs args, CliSession session, CliOutput out) {
        Map<String, Object> record = new TreeMap<>();
        record.put("value", args.require("value"));
        record.put("other_config", args.map("other-config"));
        out.print(session.create("secret.create", record));
    }

    private static void srIntroduce(CliArgs args, CliSession session, CliOutput out) {
        String uuid =
                session.create(
                        "SR.introduce",
                        args.require("uuid"),
                        args.require("name-label"),
                        args.get("name-description", ""),
                        args.require("type"),
                        args.get("content-type", ""),
                        args.bool("shared", false),
                        Map.of());
        out.list(List.of(uuid));
    }

    private static void srProbe(CliArgs args, CliSession session, CliOutput out) {
        Object xml =
                session.call(
                        "SR.probe",
                        session.host(args).ref(),
                        args.map("device-config"),
                        args.require("type"),
                        args.map("sm-config"));
        out.print((String) xml);
    }

    private static void srPaths(CliArgs args, CliSession session, CliOutput out) {
        List<SequencedMap<String, String>> rows = new ArrayList<>();
        Object paths = session.call("SR.get_paths", session.select(args, "SR", "uuid").ref());
        for (Object path : (List<?>) paths) {
            SequencedMap<String, String> row = new LinkedHashMap<>();
            for (String name : List.of("path", "state", "device", "failures", "last_error")) {
                row.put(name.replace('_', '-'), (String) ((Map<?, ?>) path).get(name));
            }
            rows.add(row);
        }
        out.table(rows);
    }

    private static void pbdCreate(CliArgs args, CliSession session, CliOutput out) {
        Map<String, Object> record = new TreeMap<>();
        record.put("host", session.select(args, "host", "host-uuid").ref());
        record.put("SR", session.select(args, "SR", "sr-uuid").ref());
        record.put("device_config", args.map("device-config"));
        out.list(List.of(session.create("PBD.create", record)));
    }

    private static void vdiCreate(CliArgs args, CliSession session, CliOutput out) {
        Map<String, Object> record = new TreeMap<>();
        record.put("SR", session.select(args, "SR", "sr-uuid").ref());
        record.put("name_label", args.require("name-label"));
        record.put("name_description", args.get("name-description", ""));
        record.put("virtual_size", CliArgs.size("virtual-size", args.require("virtual-size")));
        record.put("type", args.get("type", "user"));
        record.put("sharable", args.bool("sharable", false));
        record.put("read_only", args.bool("read-only", false));
        record.put("sm_config", args.map("sm-config"));
        record.put("other_config", args.map("other-config"));
        record.put("tags", List.copyOf(args.map("tags").values()));
        out.list(List.of(session.create("VDI.create", record)));
    }

    private static void vdiResize(CliArgs args, CliSession session, CliOutput out) {
        ApiObject vdi = session.select(args, "VDI", "uuid");
        long size = CliArgs.size("disk-size", args.require("disk-size"));
        boolean online = args.bool("online", false);
        session.call(online ? "VDI.resize_online" : "VDI.resize", vdi.ref(), size);
    }

    private static void vbdCreate(CliArgs args, CliSession session, CliOutput out) {
        Map<String, Object> record = new TreeMap<>();
        record.put("VM", session.select(args, "VM", "vm-uuid").ref());
        String vdi =
                session.find(args, "VDI", "vdi-uuid").map(ApiObject::ref).orElse(OpaqueRef.NULL);
        record.put("VDI", vdi);
        record.put("empty", OpaqueRef.isNull(vdi));
        record.put("userdevice", args.require("device"));
        record.put("bootable", args.bool("bootable", false));
        record.put("type", args.get("type", "Disk"));
        record.put("mode", args.get("mode", "RW"));
        record.put("unpluggable", args.bool("unpluggable", true));
        out.list(List.of(session.create("VBD.create", record)));
    }
}
