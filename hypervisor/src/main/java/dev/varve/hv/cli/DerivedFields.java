// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.storage.Attachments;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;

import java.util.List;

/** The values that only the command line knows. */
final class DerivedFields {
    /** Why a disk cannot be used. */
    static final String QUARANTINE = "quarantine";

    private DerivedFields() {}

    static String value(Database database, ApiObject object, String name) {
        return switch (object.type() + "." + name) {
            case "VDI." + QUARANTINE -> Attachments.quarantine(object).orElse("");
            case "SR.host" -> hostOf(database, object);
            case "PBD.host" ->
                    database.find(object.text("host"))
                            .map(ApiObject::uuid)
                            .orElse(CliField.NOT_THERE);
            default -> throw new IllegalArgumentException("nothing derives " + name);
        };
    }

    private static String hostOf(Database database, ApiObject sr) {
        List<ApiObject> connections = database.referring("PBD", "SR", sr.ref());
        if (connections.size() > 1) {
            return "<shared>";
        }
        return connections.stream()
                .findFirst()
                .flatMap(pbd -> database.find(pbd.text("host")))
                .map(host -> host.text("name_label"))
                .orElse(CliField.NOT_THERE);
    }
}
