// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench.report;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** {@code table.txt}, for people: what the benchmark prints. */
public final class TableWriter implements ReportWriter {
    /** The name of the file. */
    public static final String FILE = "table.txt";

    private static final int WIDTH = 100;

    @Override
    public void write(Report report, Path directory) throws IOException {
        Files.writeString(directory.resolve(FILE), text(report));
    }

    /** The whole text. */
    public static String text(Report report) {
        StringBuilder text = new StringBuilder();
        Instant began = Instant.ofEpochMilli(report.epochMillis()).truncatedTo(ChronoUnit.SECONDS);
        text.append("varve bench ").append(report.benchmark()).append(": ");
        text.append(report.title()).append('\n').append(began).append(", varve ");
        text.append(report.version()).append('\n');
        text.append(host(report.host())).append('\n');
        named(text, "with", report.parameters());
        named(text, "programs", report.programs());
        text.append("\nwho is compared\n");
        report.subjects().forEach((name, meaning) -> item(text, name + ": " + meaning));
        for (Map.Entry<String, String> part : report.parts().entrySet()) {
            List<Row> rows = report.rows(part.getKey());
            if (!rows.isEmpty()) {
                text.append('\n').append(part.getValue()).append("\n\n");
                text.append(columns(cells(report, rows)));
            }
        }
        text.append("\nwhat would make these numbers wrong\n");
        report.caveats().forEach(caveat -> item(text, caveat));
        return text.toString();
    }

    private static String host(HostFacts host) {
        return String.format(
                Locale.ROOT,
                "%d x %s, %.1f GiB, %s, %s, %s, load %.2f",
                host.processors(),
                host.cpu(),
                host.memoryBytes() / (double) (1L << 30),
                host.kernel(),
                host.fileSystem(),
                host.jdk(),
                host.load());
    }

    private static void named(StringBuilder text, String what, Map<String, String> values) {
        if (!values.isEmpty()) {
            List<String> each = new ArrayList<>();
            values.forEach((name, value) -> each.add(name + " " + value));
            text.append(what).append(": ").append(String.join(", ", each)).append('\n');
        }
    }

    /** An item of a list, in lines that are not too long. */
    private static void item(StringBuilder text, String item) {
        StringBuilder line = new StringBuilder("  - ");
        for (String word : item.split(" ", -1)) {
            if (line.length() + word.length() > WIDTH) {
                text.append(line.toString().stripTrailing()).append('\n');
                line = new StringBuilder("    ");
            }
            line.append(word).append(' ');
        }
        text.append(line.toString().stripTrailing()).append('\n');
    }

    private static List<List<String>> cells(Report report, List<Row> rows) {
        List<List<String>> cells = new ArrayList<>();
        List<String> head = new ArrayList<>(List.of("workload", "subject"));
        List<Measure> measures = rows.getFirst().measures();
        String unit = measures.getFirst().unit().symbol();
        head.add(measures.getFirst().name() + " " + unit);
        head.addAll(List.of("min", "max"));
        for (Measure measure : measures.subList(1, measures.size())) {
            head.add(measure.name() + " " + measure.unit().symbol());
        }
        head.add("ratio (min..max) to the baseline");
        cells.add(head);
        String workload = "";
        for (Row row : rows) {
            List<String> line = new ArrayList<>();
            line.add(row.workload().equals(workload) ? "" : row.workload());
            line.add(row.subject());
            Spread first = row.first().spread();
            line.add(Figures.number(first.median()));
            line.add(Figures.number(first.min()));
            line.add(Figures.number(first.max()));
            for (Measure measure : measures.subList(1, measures.size())) {
                line.add(
                        row.measure(measure.name())
                                .map(own -> Figures.number(own.spread().median()))
                                .orElse("-"));
            }
            line.add(compared(report, row));
            cells.add(line);
            workload = row.workload();
        }
        return cells;
    }

    private static String compared(Report report, Row row) {
        List<String> parts = new ArrayList<>();
        for (Baseline baseline : row.baselines()) {
            report.ratio(row, baseline, row.first())
                    .ifPresent(ratio -> parts.add(against(row, baseline, ratio)));
        }
        if (row.first().target().isPresent()) {
            Measure first = row.first();
            parts.add(
                    "target "
                            + Figures.withUnit(first.target().getAsDouble(), first.unit())
                            + (first.isTargetMet() ? " met" : " MISSED"));
        }
        return String.join("; ", parts);
    }

    private static String against(Row row, Baseline baseline, Spread ratio) {
        String range =
                ratio.rounds().size() == 1
                        ? ""
                        : " (%s..%s)"
                                .formatted(Figures.ratio(ratio.min()), Figures.ratio(ratio.max()));
        String where =
                baseline.workload().equals(row.workload()) ? "" : " at " + baseline.workload();
        return Figures.ratio(ratio.median()) + range + " x " + baseline.subject() + where;
    }

    /** Aligns the cells: the first two columns and the last to the left, figures to the right. */
    private static String columns(List<List<String>> cells) {
        int[] widths = new int[cells.getFirst().size()];
        for (List<String> line : cells) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], line.get(i).length());
            }
        }
        StringBuilder text = new StringBuilder();
        for (List<String> line : cells) {
            StringBuilder row = new StringBuilder();
            for (int i = 0; i < widths.length; i++) {
                boolean left = i < 2 || i == widths.length - 1;
                row.append(("%" + (left ? "-" : "") + widths[i] + "s").formatted(line.get(i)));
                row.append("  ");
            }
            text.append(row.toString().stripTrailing()).append('\n');
        }
        return text.toString();
    }
}
