// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * One subject at one workload.
 *
 * @param part the part of the benchmark; see {@link Report.Builder#part}
 * @param workload what was done
 * @param subject who did it
 * @param depth how many requests were on their way at once
 * @param blockBytes how many bytes a request moved; 0 where that says nothing
 * @param measures the figures, the one that is compared first; at least one
 * @param baselines what the row is compared with; empty for what is only a baseline itself
 */
public record Row(
        String part,
        String workload,
        String subject,
        int depth,
        long blockBytes,
        List<Measure> measures,
        List<Baseline> baselines) {
    /** Copies the lists. */
    public Row {
        measures = List.copyOf(measures);
        baselines = List.copyOf(baselines);
        if (measures.isEmpty()) {
            throw new IllegalArgumentException("a row needs a figure");
        }
    }

    /** A row that is compared with nothing. */
    public static Row of(String part, String workload, String subject, Measure... measures) {
        return new Row(part, workload, subject, 1, 0, List.of(measures), List.of());
    }

    /** The same row with another load. */
    public Row load(int newDepth, long newBlockBytes) {
        return new Row(part, workload, subject, newDepth, newBlockBytes, measures, baselines);
    }

    /** The same row, compared with another subject at the same workload. */
    public Row versus(String baseline) {
        return versus(baseline, workload);
    }

    /** The same row, compared with a subject at another workload. */
    public Row versus(String baseline, String atWorkload) {
        List<Baseline> more = new ArrayList<>(baselines);
        more.add(new Baseline(baseline, atWorkload));
        return new Row(part, workload, subject, depth, blockBytes, measures, more);
    }

    /** The figure that is compared. */
    public Measure first() {
        return measures.getFirst();
    }

    /** A figure by its name. */
    public Optional<Measure> measure(String name) {
        return measures.stream().filter(measure -> measure.name().equals(name)).findFirst();
    }
}
