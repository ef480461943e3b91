// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.docs;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.varve.hv.metrics.Metric;

import org.junit.jupiter.api.Test;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/** The table in {@code docs/metrics.md} is made from {@link Metric}: {@code varve format}. */
class MetricsDocTest {
    private static final String BEGIN = "<!-- begin of the generated table -->\n";
    private static final String END = "<!-- end of the generated table -->\n";

    @Test
    void pageListsAllMetrics() {
        Path page = Tree.root().resolve("docs/metrics.md");
        String text = Tree.read(page);
        int begin = text.indexOf(BEGIN) + BEGIN.length();
        int end = text.indexOf(END);
        String wanted = text.substring(0, begin) + table() + text.substring(end);
        if (Tree.isFixing() && !wanted.equals(text)) {
            Tree.write(page, wanted);
            return;
        }
        assertEquals(wanted, text, "run ./varve format");
    }

    private static String table() {
        StringBuilder table =
                new StringBuilder(
                        "\n| name | type | unit | labels | meaning |\n|---|---|---|---|---|\n");
        for (Metric metric : Metric.values()) {
            List<String> labels = metric.labels().stream().map(each -> "`" + each + "`").toList();
            table.append("| `").append(metric.fullName()).append("` | ");
            table.append(metric.type().name().toLowerCase(Locale.ROOT)).append(" | ");
            table.append(metric.unit()).append(" | ").append(String.join(", ", labels));
            table.append(" | ").append(metric.help().replace("|", "\\|")).append(" |\n");
        }
        return table.append('\n').toString();
    }
}
