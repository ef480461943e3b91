// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.vhd.tool;

import dev.varve.vdi.vhd.VhdFact;

import java.util.List;
import java.util.stream.Collectors;

/** Facts about an image as text for people and as JSON for programs. */
final class Facts {
    private Facts() {}

    // ---- text

    /** Lines in which what belongs together is aligned. */
    static String text(List<VhdFact> facts) {
        StringBuilder text = new StringBuilder();
        for (VhdFact fact : facts) {
            switch (fact) {
                case VhdFact.Value value -> appendValues(text, "", List.of(value));
                case VhdFact.Group group -> {
                    text.append(group.label()).append('\n');
                    appendValues(text, "  ", group.facts());
                }
                case VhdFact.Rows rows -> appendRows(text, rows);
            }
        }
        return text.toString();
    }

    private static void appendValues(StringBuilder text, String indent, List<VhdFact> facts) {
        int width = facts.stream().mapToInt(fact -> fact.label().length()).max().orElse(0);
        for (VhdFact fact : facts) {
            if (fact instanceof VhdFact.Value value) {
                text.append(indent)
                        .append(pad(value.label(), width))
                        .append("  ")
                        .append(visible(value.text()))
                        .append('\n');
            }
        }
    }

    private static void appendRows(StringBuilder text, VhdFact.Rows rows) {
        text.append(rows.label()).append('\n');
        if (rows.rows().isEmpty()) {
            return;
        }
        List<VhdFact.Value> first = rows.rows().getFirst();
        int[] widths = first.stream().mapToInt(value -> value.label().length()).toArray();
        for (List<VhdFact.Value> row : rows.rows()) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], visible(row.get(i).text()).length());
            }
        }
        appendRow(text, first.stream().map(VhdFact.Value::label).toList(), widths);
        for (List<VhdFact.Value> row : rows.rows()) {
            appendRow(text, row.stream().map(value -> visible(value.text())).toList(), widths);
        }
    }

    private static void appendRow(StringBuilder text, List<String> cells, int[] widths) {
        StringBuilder line = new StringBuilder(" ");
        for (int i = 0; i < widths.length; i++) {
            line.append(' ').append(pad(cells.get(i), widths[i])).append(' ');
        }
        text.append(line.toString().stripTrailing()).append('\n');
    }

    private static String pad(String text, int width) {
        return text + " ".repeat(Math.max(0, width - text.length()));
    }

    /** Names come from files that anybody made: control characters do not reach a terminal. */
    static String visible(String text) {
        return text.codePoints()
                .map(each -> Character.isISOControl(each) ? '?' : each)
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                .toString();
    }

    // ---- JSON

    /** One object. */
    static String json(List<VhdFact> facts) {
        return facts.stream()
                .map(fact -> quote(fact.key()) + ":" + value(fact))
                .collect(Collectors.joining(",", "{", "}"));
    }

    private static String value(VhdFact fact) {
        return switch (fact) {
            case VhdFact.Value value when value.value() instanceof String text -> quote(text);
            case VhdFact.Value value -> value.value().toString();
            case VhdFact.Group group -> json(group.facts());
            case VhdFact.Rows rows ->
                    rows.rows().stream()
                            .map(row -> json(List.copyOf(row)))
                            .collect(Collectors.joining(",", "[", "]"));
        };
    }

    /** A string of JSON; half of a surrogate pair, which UTF-8 cannot have, is escaped, too. */
    static String quote(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        text.codePoints().forEach(each -> append(quoted, each));
        return quoted.append('"').toString();
    }

    private static void append(StringBuilder quoted, int each) {
        boolean alone = each >= Character.MIN_SURROGATE && each <= Character.MAX_SURROGATE;
        if (each == '"' || each == '\\') {
            quoted.append('\\').appendCodePoint(each);
        } else if (Character.isISOControl(each) || alone) {
            quoted.append("\\u%04x".formatted(each));
        } else {
            quoted.appendCodePoint(each);
        }
    }
}
