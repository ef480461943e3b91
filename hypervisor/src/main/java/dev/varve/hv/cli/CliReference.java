// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.xenapi.schema.ApiClass;
import dev.varve.hv.xenapi.schema.ApiSchema;

import java.util.List;
import java.util.Optional;

/** What there is to say about the commands and the fields they show, for pages that list them. */
public final class CliReference {
    private CliReference() {}

    /**
     * A command.
     *
     * @param topic the class that it works on, or the first word of its name
     * @param required names of parameters that must be there
     * @param optional names of parameters that may be there; one that ends in a colon is a map
     * @param open whether it takes fields as well
     */
    public record Command(
            String name,
            String topic,
            List<String> required,
            List<String> optional,
            boolean open,
            String meaning) {}

    /**
     * A field as the command line shows it.
     *
     * @param access {@code RO} or {@code RW}, with {@code S} or {@code M} in front for sets and
     *     maps
     * @param type as the documentation of the API writes it
     */
    public record Field(String name, String access, String type, String meaning) {}

    /** All commands that the help lists, in the order of their names. */
    public static List<Command> commands(ApiSchema schema) {
        return new CliCommands(schema, List.of())
                .listed().stream()
                        .map(
                                command ->
                                        new Command(
                                                command.name(),
                                                topic(schema, command.name()),
                                                command.required(),
                                                command.optional(),
                                                command.open(),
                                                command.meaning()))
                        .toList();
    }

    private static String topic(ApiSchema schema, String command) {
        String first = command.split("-", 2)[0];
        Optional<ApiClass> type = CliTopics.ofCommand(schema, command);
        return first.equals(CliTopics.SNAPSHOT) ? first : type.map(ApiClass::cliName).orElse(first);
    }

    /** The fields of a class in the order in which they are shown. */
    public static List<Field> fields(ApiClass type) {
        return CliField.of(type).stream()
                .map(field -> new Field(field.name(), field.mark(), field.type(), field.meaning()))
                .toList();
    }
}
