// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xenapi.ApiObject;
import dev.varve.vdi.transfer.TransferFormat;

import java.util.List;
import java.util.Optional;

/** The commands that write disks to files of the client and read them from there. */
final class TransferCommands {
    private TransferCommands() {}

    static List<CliCommand> all() {
        return List.of(
                CliCommand.of(
                        "vdi-export",
                        "uuid filename",
                        "format base progress",
                        "Writes what a disk holds to a new file, as raw or vhd; with base only what"
                                + " differs from that disk.",
                        TransferCommands::export),
                CliCommand.of(
                        "vdi-import",
                        "uuid filename",
                        "format progress",
                        "Gives a disk the content of a file, raw, vhd or vmdk.",
                        TransferCommands::bringIn));
    }

    private static void export(CliArgs args, CliSession session, CliOutput out) {
        ApiObject vdi = session.select(args, "VDI", "uuid");
        String file = args.require("filename");
        TransferFormat format = TransferFormat.leaving(args.get("format", "raw"));
        Optional<ApiObject> base = args.get("base").map(uuid -> session.byUuid("VDI", uuid));
        String path =
                "/export_raw_vdi?vdi="
                        + vdi.ref()
                        + "&format="
                        + format.text()
                        + base.map(disk -> "&base=" + disk.ref()).orElse("");
        // To a client without a name the standard output is meant.
        String target = file.equals("-") ? "" : file;
        session.files().fetch(session, target, path, "Export of disk " + vdi.uuid());
    }

    private static void bringIn(CliArgs args, CliSession session, CliOutput out) {
        ApiObject vdi = session.select(args, "VDI", "uuid");
        String file = args.require("filename");
        TransferFormat format = TransferFormat.coming(args.get("format", "raw"));
        String path = "/import_raw_vdi?vdi=" + vdi.ref() + "&format=" + format.text();
        session.files().send(session, file, path, "Import of disk " + vdi.uuid());
    }
}
