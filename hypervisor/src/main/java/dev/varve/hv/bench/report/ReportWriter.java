// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench.report;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** One way to write a report down. */
public interface ReportWriter {
    /** All ways. */
    List<ReportWriter> ALL = List.of(new JsonWriter(), new TableWriter(), new SvgWriter());

    /** Writes files into a directory that is there; such of an earlier report are replaced. */
    void write(Report report, Path directory) throws IOException;
}
