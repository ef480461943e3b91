// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench.report;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * A plot of one part of a report: a bar for each row, grouped by workload, with a line from the
 * smallest to the largest round.
 *
 * <p>Every bar has a line of its own, the subject on its left and the figure on its right, so that
 * texts never meet whatever font the reader's program has. Each group has its own scale, since
 * workloads differ by orders of magnitude. Colours follow the reader's scheme, dark or light, on a
 * background that the picture brings along.
 */
final class BarChart {
    private static final int WIDTH = 960;
    private static final int MARGIN = 20;
    private static final int BAR_LEFT = 250;
    private static final int BAR_WIDTH = 330;
    private static final int FIGURE_LEFT = BAR_LEFT + BAR_WIDTH + 14;
    private static final int LINE_HEIGHT = 24;
    private static final int BAR_HEIGHT = 14;
    private static final int HEADING_HEIGHT = 34;
    private static final int TITLE_HEIGHT = 62;
    private static final int FOOT_HEIGHT = 62;

    private static final String STYLE =
            """
              <style>
                .back { fill: #ffffff } text { fill: #1f2328; font: 13px sans-serif }
                .title { font-size: 17px; font-weight: bold } .group { font-weight: bold }
                .small { font-size: 12px; fill: #59636e } .bar { fill: #2f6fb3 }
                .reference { fill: #a9b4c0 } .range { stroke: #1f2328; stroke-width: 1.5 }
                .level { stroke: #59636e; stroke-dasharray: 3 3 }
                @media (prefers-color-scheme: dark) {
                  .back { fill: #0d1117 } text { fill: #e6edf3 } .small { fill: #9198a1 }
                  .bar { fill: #58a6ff } .reference { fill: #545d68 }
                  .range { stroke: #e6edf3 } .level { stroke: #9198a1 }
                }
              </style>
            """;

    private final Report report;
    private final String part;
    private final Map<String, List<Row>> groups = new LinkedHashMap<>();
    private final StringBuilder svg = new StringBuilder();
    private int y = TITLE_HEIGHT;

    /**
     * @param part one that has rows
     */
    BarChart(Report report, String part) {
        this.report = report;
        this.part = part;
        for (Row row : report.rows(part)) {
            groups.computeIfAbsent(row.workload(), _ -> new ArrayList<>()).add(row);
        }
    }

    /** The whole file. */
    String svg() {
        Measure first = report.rows(part).getFirst().first();
        int bars = groups.values().stream().mapToInt(List::size).sum();
        int height =
                TITLE_HEIGHT + groups.size() * HEADING_HEIGHT + bars * LINE_HEIGHT + FOOT_HEIGHT;
        add(
                String.format(
                        Locale.ROOT,
                        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\""
                                + " width=\"%d\" height=\"%d\" role=\"img\" aria-labelledby=\"title"
                                + " desc\">",
                        WIDTH,
                        height,
                        WIDTH,
                        height));
        add(
                String.format(
                        Locale.ROOT,
                        "  <title id=\"title\">%s</title>",
                        escape(report.parts().get(part))));
        add(
                String.format(
                        Locale.ROOT, "  <desc id=\"desc\">%s</desc>", escape(description(first))));
        svg.append(STYLE);
        add(
                String.format(
                        Locale.ROOT,
                        "  <rect class=\"back\" width=\"%d\" height=\"%d\"/>",
                        WIDTH,
                        height));
        text(MARGIN, 30, "title", report.parts().get(part));
        text(MARGIN, 50, "small", unit(first));
        groups.forEach(this::group);
        text(MARGIN, y + 26, "small", legend());
        text(MARGIN, y + 44, "small", machine());
        add("</svg>");
        return svg.toString();
    }

    private static String unit(Measure measure) {
        return "%s %s; %s is better"
                .formatted(
                        measure.name(),
                        measure.unit() == Unit.PER_SECOND
                                ? measure.unit().words()
                                : "in " + measure.unit().words(),
                        measure.higherIsBetter() ? "longer" : "shorter");
    }

    private static String legend() {
        return "Bar: median of the rounds. Line: smallest to largest. Grey: baseline; dashed: its"
                + " level. Each group has its own scale.";
    }

    private String machine() {
        HostFacts host = report.host();
        return "%d x %s, %s, %s"
                .formatted(host.processors(), host.cpu(), host.kernel(), host.fileSystem());
    }

    /** All of it in words, for those who do not see the picture. */
    private String description(Measure first) {
        StringBuilder text = new StringBuilder(unit(first)).append('.');
        groups.forEach(
                (workload, rows) -> {
                    text.append(' ').append(workload).append(':');
                    for (Row row : rows) {
                        text.append(' ').append(row.subject()).append(' ');
                        text.append(figure(row)).append(';');
                    }
                });
        return text.toString();
    }

    private void group(String workload, List<Row> rows) {
        double most = rows.stream().mapToDouble(row -> row.first().spread().max()).max().orElse(1);
        double scale = most > 0 ? BAR_WIDTH / most : 0;
        text(MARGIN, y + 22, "group", workload);
        y += HEADING_HEIGHT;
        int top = y;
        rows.forEach(row -> bar(row, scale));
        level(rows, scale, top);
    }

    private void bar(Row row, double scale) {
        Spread spread = row.first().spread();
        boolean reference = row.baselines().isEmpty() && report.isBaseline(row);
        int middle = y + LINE_HEIGHT / 2;
        add("  <g>");
        add(
                String.format(
                        Locale.ROOT,
                        "    <title>%s</title>",
                        escape(row.subject() + ": " + range(row))));
        text(MARGIN + 10, middle + 4, "subject", row.subject());
        add(
                String.format(
                        Locale.ROOT,
                        "    <rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%s\" height=\"%d\"/>",
                        reference ? "reference" : "bar",
                        BAR_LEFT,
                        middle - BAR_HEIGHT / 2,
                        pixels(spread.median() * scale),
                        BAR_HEIGHT));
        add(
                String.format(
                        Locale.ROOT,
                        "    <line class=\"range\" x1=\"%s\" y1=\"%d\" x2=\"%s\" y2=\"%d\"/>",
                        pixels(BAR_LEFT + spread.min() * scale),
                        middle,
                        pixels(BAR_LEFT + spread.max() * scale),
                        middle));
        text(FIGURE_LEFT, middle + 4, "figure", figure(row));
        add("  </g>");
        y += LINE_HEIGHT;
    }

    /** A line through the group where its first baseline is. */
    private void level(List<Row> rows, double scale, int top) {
        rows.stream()
                .flatMap(row -> row.baselines().stream().map(each -> report.baseline(row, each)))
                .flatMap(Optional::stream)
                .filter(rows::contains)
                .findFirst()
                .ifPresent(
                        baseline -> {
                            String x =
                                    pixels(BAR_LEFT + baseline.first().spread().median() * scale);
                            add(
                                    String.format(
                                            Locale.ROOT,
                                            "  <line class=\"level\" x1=\"%s\" y1=\"%d\" x2=\"%s\""
                                                    + " y2=\"%d\"/>",
                                            x,
                                            top,
                                            x,
                                            y));
                        });
    }

    private String figure(Row row) {
        Measure first = row.first();
        StringBuilder text = new StringBuilder();
        text.append(Figures.withUnit(first.spread().median(), first.unit()));
        row.baselines().stream()
                .filter(baseline -> report.baseline(row, baseline).isPresent())
                .findFirst()
                .ifPresent(
                        baseline ->
                                text.append(", ")
                                        .append(
                                                Figures.ratio(
                                                        report.ratio(row, baseline, first)
                                                                .orElseThrow()
                                                                .median()))
                                        .append(" x ")
                                        .append(name(row, baseline)));
        if (row.baselines().isEmpty() && report.isBaseline(row)) {
            text.append(", baseline");
        }
        return text.toString();
    }

    private static String name(Row row, Baseline baseline) {
        return baseline.workload().equals(row.workload())
                ? baseline.subject()
                : baseline.workload();
    }

    private static String range(Row row) {
        Spread spread = row.first().spread();
        return "median %s, %s to %s"
                .formatted(
                        Figures.withUnit(spread.median(), row.first().unit()),
                        Figures.number(spread.min()),
                        Figures.number(spread.max()));
    }

    private void text(int x, int baselineY, String kind, String words) {
        add(
                String.format(
                        Locale.ROOT,
                        "  <text class=\"%s\" x=\"%d\" y=\"%d\">%s</text>",
                        kind,
                        x,
                        baselineY,
                        escape(words)));
    }

    private void add(String line) {
        svg.append(line).append('\n');
    }

    private static String pixels(double value) {
        return String.format(Locale.ROOT, "%.1f", value);
    }

    private static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
    }
}
