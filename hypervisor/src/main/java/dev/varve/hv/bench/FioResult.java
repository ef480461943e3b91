// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import dev.varve.hv.bench.report.Measure;
import dev.varve.hv.bench.report.Spread;
import dev.varve.hv.bench.report.Unit;

import java.io.IOException;
import java.util.List;

/**
 * What fio measured.
 *
 * @param iops requests for each second
 * @param p99Micros the 99th percentile of the time a request takes, in microseconds
 */
record FioResult(double iops, double p99Micros) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Reads what fio printed. */
    static FioResult parse(FioJob job, String output) throws IOException {
        int begin = output.indexOf('{');
        if (begin < 0) {
            throw new IOException("fio printed no result: " + output);
        }
        JsonNode side =
                JSON.readTree(output.substring(begin))
                        .path("jobs")
                        .path(0)
                        .path(job.isWrite() ? "write" : "read");
        double iops = side.path("iops").asDouble();
        if (iops <= 0) {
            throw new IOException("fio did no request of " + job.name());
        }
        double p99 = side.path("clat_ns").path("percentile").path("99.000000").asDouble() / 1000;
        return new FioResult(iops, p99);
    }

    /** The results of some rounds as figures of a row. */
    static Measure[] measures(List<FioResult> rounds) {
        return new Measure[] {
            Measure.rate("requests", new Spread(rounds.stream().map(FioResult::iops).toList())),
            Measure.cost(
                    "p99",
                    Unit.MICROSECONDS,
                    new Spread(rounds.stream().map(FioResult::p99Micros).toList()))
        };
    }
}
