// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import java.util.ArrayList;
import java.util.List;

/**
 * A command.
 *
 * @param required parameters that must be there
 * @param optional parameters that may be there; a name that ends in a colon is a map
 * @param open whether any other parameter is taken as well, such as filters
 * @param hidden whether the help does not list it
 */
record CliCommand(
        String name,
        List<String> required,
        List<String> optional,
        boolean open,
        boolean hidden,
        String meaning,
        Body body) {
    /** Carries a command out. */
    interface Body {
        void run(CliArgs args, CliSession session, CliOutput out);
    }

    CliCommand {
        required = List.copyOf(required);
        optional = List.copyOf(optional);
    }

    static CliCommand of(String name, String required, String optional, String meaning, Body body) {
        return new CliCommand(name, words(required), words(optional), false, false, meaning, body);
    }

    private static List<String> words(String text) {
        List<String> words = new ArrayList<>();
        for (String word : text.split(" ", -1)) {
            if (!word.isEmpty()) {
                words.add(word);
            }
        }
        return words;
    }

    /** The same, for commands that take filters or fields. */
    CliCommand opened() {
        return new CliCommand(name, required, optional, true, hidden, meaning, body);
    }

    /** The same, not listed in the help. */
    CliCommand concealed() {
        return new CliCommand(name, required, optional, open, true, meaning, body);
    }

    /** Refuses parameters that it does not know. */
    void check(CliArgs args) {
        if (open) {
            return;
        }
        for (String param : args.specific().keySet()) {
            if (!takes(param)) {
                throw UsageException.syntax("Unknown parameter: " + param);
            }
        }
    }

    /** Whether a field of the class makes sense as a parameter, or as the name of a field. */
    boolean takes(CliField field) {
        if (name.endsWith("-param-add") || name.endsWith("-param-remove")) {
            return field.writable() && (field.isMap() || field.isSet());
        }
        if (name.endsWith("-param-set")) {
            return field.writable() && !field.isSet();
        }
        if (name.endsWith("-param-clear")) {
            return field.writable();
        }
        return open || required.contains("param-name");
    }

    private boolean takes(String param) {
        for (String known : required) {
            if (matches(known, param) || selects(known, param)) {
                return true;
            }
        }
        for (String known : optional) {
            if (matches(known, param) || selects(known, param)) {
                return true;
            }
        }
        return false;
    }

    private static boolean matches(String known, String param) {
        return known.endsWith(":")
                ? CliArgs.isKeyOf(known.substring(0, known.length() - 1), param)
                : known.equals(param);
    }

    /** Where a UUID is expected, a name may be given: {@code sr=} for {@code sr-uuid=}. */
    private boolean selects(String known, String param) {
        String type =
                known.equals("uuid")
                        ? name.substring(0, name.indexOf('-'))
                        : known.endsWith("-uuid")
                                ? known.substring(0, known.length() - "-uuid".length())
                                : "";
        return !type.isEmpty()
                && (param.equals(type)
                        || param.equals(type + "-uuid")
                        || param.equals(type + "-name-label"));
    }
}
