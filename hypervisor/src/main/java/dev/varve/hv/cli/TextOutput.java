// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Consumer;

/**
 * Records and lists as text, for people or, when minimal, for scripts: the first value of each
 * record, joined by commas on one line.
 */
final class TextOutput implements CliOutput {
    private final Consumer<String> out;
    private final Consumer<String> err;
    private final boolean minimal;

    TextOutput(Consumer<String> out, Consumer<String> err, boolean minimal) {
        this.out = out;
        this.err = err;
        this.minimal = minimal;
    }

    @Override
    public void print(String text) {
        out.accept(text);
    }

    @Override
    public void printError(String text) {
        err.accept(text + "\n");
    }

    @Override
    public void table(List<SequencedMap<String, String>> records) {
        if (minimal) {
            List<String> firsts = new ArrayList<>();
            for (SequencedMap<String, String> record : records) {
                if (!record.isEmpty()) {
                    firsts.add(record.firstEntry().getValue());
                }
            }
            joined(firsts);
        } else {
            for (SequencedMap<String, String> record : records) {
                if (!record.isEmpty()) {
                    out.accept(lines(record) + "\n\n");
                }
            }
        }
    }

    @Override
    public void list(List<String> values) {
        if (minimal) {
            joined(values);
        } else {
            values.forEach(out);
        }
    }

    private void joined(List<String> values) {
        if (!values.isEmpty()) {
            out.accept(String.join(",", values.stream().map(TextOutput::escape).toList()));
        }
    }

    private static String escape(String value) {
        return value.replace("\\", "\\\\").replace(",", "\\,");
    }

    /**
     * The first name at the left, the others at the right of a column four wider than the widest.
     */
    private static String lines(SequencedMap<String, String> record) {
        int width = 4;
        for (String name : record.keySet()) {
            width = Math.max(width, name.length() + 4);
        }
        StringBuilder text = new StringBuilder();
        boolean first = true;
        for (var field : record.sequencedEntrySet()) {
            String blanks = " ".repeat(width - field.getKey().length());
            text.append(first ? field.getKey() + blanks : "\n" + blanks + field.getKey());
            text.append(": ").append(field.getValue());
            first = false;
        }
        return text.toString();
    }
}
