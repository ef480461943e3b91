// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.bench.report.Report;

import java.io.IOException;
import java.util.List;
import java.util.Set;

/** One benchmark. It fills a report and prints nothing. */
interface Benchmark {
    /** What it is about, in one line. */
    String title();

    /** The options it takes with a value; see {@link BenchOptions}. */
    Set<String> options();

    /** The options it takes without a value. */
    default Set<String> flags() {
        return Set.of();
    }

    /** The programs that it cannot do without. */
    List<String> programs();

    /** The packages that have those programs. */
    String packages();

    /** Measures. */
    void run(BenchOptions options, Report.Builder report) throws IOException, InterruptedException;
}
