// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The options of a benchmark, as they were typed. */
final class BenchOptions {
    private final Map<String, String> values = new HashMap<>();

    /**
     * Takes a command line apart.
     *
     * @param withValue the options that have a value
     * @param flags the options that have none
     * @throws IllegalArgumentException for anything else
     */
    BenchOptions(List<String> args, Set<String> withValue, Set<String> flags) {
        List<String> left = new ArrayList<>(args);
        while (!left.isEmpty()) {
            String name = left.removeFirst();
            if (flags.contains(name)) {
                values.put(name, "");
            } else if (!withValue.contains(name)) {
                throw new IllegalArgumentException("there is no option " + name);
            } else if (left.isEmpty()) {
                throw new IllegalArgumentException("the option " + name + " needs a value");
            } else {
                values.put(name, left.removeFirst());
            }
        }
    }

    /** Whether a flag was given. */
    boolean flag(String name) {
        return values.containsKey(name);
    }

    /** The value of an option. */
    String text(String name, String fallback) {
        return values.getOrDefault(name, fallback);
    }

    /**
     * The value of an option that is a number of at least 1.
     *
     * @throws IllegalArgumentException for anything else
     */
    int count(String name, int fallback) {
        String text = values.get(name);
        if (text == null) {
            return fallback;
        }
        if (!text.matches("[1-9][0-9]{0,6}")) {
            throw new IllegalArgumentException(
                    "the option " + name + " needs a number, not " + text);
        }
        return Integer.parseInt(text);
    }
}
