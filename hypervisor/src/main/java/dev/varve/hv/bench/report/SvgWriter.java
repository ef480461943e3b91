// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench.report;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * {@code PART.svg} for each part, for pages: a {@link BarChart} of the figures that are compared.
 */
public final class SvgWriter implements ReportWriter {
    @Override
    public void write(Report report, Path directory) throws IOException {
        for (Map.Entry<String, String> part : report.parts().entrySet()) {
            List<Row> rows = report.rows(part.getKey());
            if (!rows.isEmpty()) {
                Files.writeString(
                        directory.resolve(part.getKey() + ".svg"),
                        new BarChart(report, part.getKey()).svg());
            }
        }
    }
}
