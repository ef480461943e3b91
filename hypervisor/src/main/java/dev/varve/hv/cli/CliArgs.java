// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * The words of a command line: the command, {@code key=value} parameters, {@code --flags} and loose
 * words.
 */
final class CliArgs {
    /** Parameters that every command takes. */
    private static final Set<String> GLOBAL =
            Set.of(
                    "username",
                    "password",
                    "session_id",
                    "minimal",
                    "force",
                    "multiple",
                    "trace",
                    "progress",
                    "all");

    private final String command;
    private final Map<String, String> params = new LinkedHashMap<>();
    private final List<String> words = new ArrayList<>();

    private CliArgs(String command) {
        this.command = command;
    }

    /** Takes apart what the client sent: one word per line. */
    static CliArgs parse(String body) {
        List<String> lines = new ArrayList<>();
        for (String line : body.split("\n", -1)) {
            String word = line.endsWith("\r") ? line.substring(0, line.length() - 1) : line;
            if (!word.isEmpty()) {
                lines.add(word);
            }
        }
        String session = "";
        if (!lines.isEmpty() && lines.getFirst().startsWith("session_id=")) {
            session = lines.removeFirst().substring("session_id=".length());
        }
        CliArgs args = new CliArgs(removeCommand(lines));
        if (!session.isEmpty()) {
            args.params.put("session_id", session);
        }
        lines.forEach(args::add);
        return args;
    }

    /** The command comes first; only flags may stand before it. */
    private static String removeCommand(List<String> lines) {
        for (int i = 0; i < lines.size(); i++) {
            if (!lines.get(i).startsWith("--")) {
                return lines.get(i).indexOf('=') >= 0 ? "help" : lines.remove(i);
            }
        }
        return "help";
    }

    private void add(String word) {
        int equals = word.indexOf('=');
        if (word.startsWith("--")) {
            String flag = word.substring(2);
            put(
                    equals < 0 ? flag : flag.substring(0, equals - 2),
                    equals < 0 ? "true" : word.substring(equals + 1));
        } else if (equals > 0) {
            put(word.substring(0, equals), word.substring(equals + 1));
        } else {
            words.add(word);
        }
    }

    private void put(String key, String value) {
        if (params.put(key, value) != null && !GLOBAL.contains(key)) {
            throw UsageException.syntax("The parameter " + key + " is given twice");
        }
    }

    String command() {
        return command;
    }

    List<String> words() {
        return words;
    }

    boolean flag(String name) {
        return "true".equals(params.get(name));
    }

    Optional<String> get(String key) {
        return Optional.ofNullable(params.get(key));
    }

    String get(String key, String otherwise) {
        return params.getOrDefault(key, otherwise);
    }

    String require(String key) {
        return get(key).orElseThrow(
                        () -> UsageException.syntax("Required parameter not found: " + key));
    }

    /** The parameters without those that every command takes. */
    Map<String, String> specific() {
        Map<String, String> left = new LinkedHashMap<>(params);
        left.keySet().removeAll(GLOBAL);
        return left;
    }

    /** The keys of a map parameter, written {@code name:key=value} or {@code name-key=value}. */
    Map<String, String> map(String name) {
        Map<String, String> map = new TreeMap<>();
        params.forEach(
                (key, value) -> {
                    if (isKeyOf(name, key)) {
                        map.put(key.substring(name.length() + 1), value);
                    }
                });
        return map;
    }

    /** Whether a parameter is a key of a map parameter. */
    static boolean isKeyOf(String name, String param) {
        return param.length() > name.length() + 1
                && param.startsWith(name)
                && (param.charAt(name.length()) == ':' || param.charAt(name.length()) == '-');
    }

    boolean bool(String key, boolean otherwise) {
        return get(key).map(value -> bool(key, value)).orElse(otherwise);
    }

    static boolean bool(String key, String value) {
        return switch (value.toLowerCase(Locale.ROOT)) {
            case "true", "yes", "t", "y", "1" -> true;
            case "false", "no", "f", "n", "0" -> false;
            default ->
                    throw UsageException.failure(
                            "parameter " + key + " must be a boolean (true or false)");
        };
    }

    static long integer(String key, String value) {
        try {
            return Long.parseLong(value.strip());
        } catch (NumberFormatException e) {
            throw UsageException.failure("parameter " + key + " must be an integer");
        }
    }

    /** A size in bytes, or with a unit: KiB, MiB, GiB or TiB. */
    static long size(String key, String value) {
        String text = value.strip();
        String[] units = {"KiB", "MiB", "GiB", "TiB"};
        for (int i = 0; i < units.length; i++) {
            if (text.regionMatches(true, text.length() - 3, units[i], 0, 3)) {
                long factor = 1L << (10 * (i + 1));
                return scaled(key, text.substring(0, text.length() - 3).strip(), factor);
            }
        }
        return scaled(key, text, 1);
    }

    private static long scaled(String key, String number, long factor) {
        try {
            long value = Math.multiplyExact(Long.parseLong(number), factor);
            if (value >= 0) {
                return value;
            }
        } catch (NumberFormatException | ArithmeticException e) {
            throw notSize(key);
        }
        throw notSize(key);
    }

    private static UsageException notSize(String key) {
        return UsageException.failure(
                "parameter " + key + " must be a size: bytes, or a number with KiB, MiB, GiB, TiB");
    }
}
