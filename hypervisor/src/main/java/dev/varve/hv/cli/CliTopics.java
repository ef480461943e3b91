// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiSchema;

import java.util.Comparator;
import java.util.Optional;

/** Which class a command or a parameter is about, told by its name. */
final class CliTopics {
    /** What names that begin or end so are about: disks that are snapshots. */
    static final String SNAPSHOT = "snapshot";

    private static final String UUID = "-uuid";

    private CliTopics() {}

    /** The class that a command works on; none for a command such as {@code help}. */
    static Optional<ApiClass> ofCommand(ApiSchema schema, String command) {
        if (command.startsWith(SNAPSHOT + "-")) {
            return schema.find("VDI");
        }
        return schema.classes().stream()
                .filter(type -> !type.is(ApiClass.Trait.UNLISTED))
                .filter(type -> command.startsWith(type.cliName() + "-"))
                .max(Comparator.comparingInt(type -> type.cliName().length()));
    }

    /** Whether a command only works on snapshots when the parameter chooses an object. */
    static boolean isSnapshot(String command, String param) {
        return param.equals(SNAPSHOT + UUID)
                || (command.startsWith(SNAPSHOT + "-") && param.equals("uuid"));
    }

    /** The class whose objects a parameter chooses by UUID, like {@code base-vdi-uuid}. */
    static Optional<ApiClass> ofUuid(ApiSchema schema, String command, String param) {
        if (param.equals("uuid")) {
            return ofCommand(schema, command);
        }
        if (!param.endsWith(UUID)) {
            return Optional.empty();
        }
        String name = param.substring(0, param.length() - UUID.length());
        if (name.equals(SNAPSHOT)) {
            return schema.find("VDI");
        }
        return schema.classes().stream()
                .filter(type -> ("-" + name).endsWith("-" + type.cliName()))
                .findFirst();
    }

    /** The class whose objects a parameter chooses by name, like {@code sr}. */
    static Optional<ApiClass> ofName(ApiSchema schema, String param) {
        return schema.classes().stream()
                .filter(type -> type.is(ApiClass.Trait.NAMED))
                .filter(
                        type ->
                                param.equals(type.cliName())
                                        || param.equals(type.cliName() + "-name-label"))
                .findFirst();
    }
}
