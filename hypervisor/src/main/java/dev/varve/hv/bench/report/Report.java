// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench.report;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.Consumer;

/**
 * What a benchmark found, with all that a reader needs to believe it or not. Cannot be changed.
 *
 * @param benchmark its name
 * @param title what it is about, in one line
 * @param epochMillis when it began
 * @param version of the program that was measured
 * @param programs the versions of the other programs
 * @param parameters how it was run
 * @param subjects who is measured, baselines included, and what each of them is
 * @param parts the parts by name, with a title each
 * @param caveats what would make the numbers wrong
 */
public record Report(
        String benchmark,
        String title,
        long epochMillis,
        String version,
        HostFacts host,
        SequencedMap<String, String> programs,
        SequencedMap<String, String> parameters,
        SequencedMap<String, String> subjects,
        SequencedMap<String, String> parts,
        List<String> caveats,
        List<Row> rows) {
    /** The rows of a part, in the order in which they were measured. */
    public List<Row> rows(String part) {
        return rows.stream().filter(row -> row.part().equals(part)).toList();
    }

    /** The row that another one is compared with, if it was measured. */
    public Optional<Row> baseline(Row row, Baseline baseline) {
        return rows.stream()
                .filter(
                        other ->
                                other.part().equals(row.part())
                                        && other.subject().equals(baseline.subject())
                                        && other.workload().equals(baseline.workload()))
                .findFirst();
    }

    /** How a figure of a row compares with the same figure of a baseline. */
    public Optional<Spread> ratio(Row row, Baseline baseline, Measure measure) {
        return baseline(row, baseline)
                .flatMap(other -> other.measure(measure.name()))
                .map(other -> measure.spread().ratioTo(other.spread()));
    }

    /** Whether other rows are compared with this one. */
    public boolean isBaseline(Row row) {
        Baseline self = new Baseline(row.subject(), row.workload());
        return rows(row.part()).stream().anyMatch(other -> other.baselines().contains(self));
    }

    /**
     * Collects what a benchmark finds.
     *
     * <p><b>Threads:</b> one.
     */
    public static final class Builder {
        private final String benchmark;
        private final String title;
        private final long epochMillis;
        private final String version;
        private final HostFacts host;
        private final Consumer<Row> progress;
        private final SequencedMap<String, String> programs = new LinkedHashMap<>();
        private final SequencedMap<String, String> parameters = new LinkedHashMap<>();
        private final SequencedMap<String, String> subjects = new LinkedHashMap<>();
        private final SequencedMap<String, String> parts = new LinkedHashMap<>();
        private final List<String> caveats = new ArrayList<>();
        private final List<Row> rows = new ArrayList<>();

        /**
         * @param progress told of each row when it is there
         */
        public Builder(
                String benchmark,
                String title,
                long epochMillis,
                String version,
                HostFacts host,
                Consumer<Row> progress) {
            this.benchmark = benchmark;
            this.title = title;
            this.epochMillis = epochMillis;
            this.version = version;
            this.host = host;
            this.progress = progress;
        }

        /** Notes the version of a program. */
        public Builder program(String name, String itsVersion) {
            programs.put(name, itsVersion);
            return this;
        }

        /** Notes how the benchmark was run. */
        public Builder parameter(String name, Object value) {
            parameters.put(name, String.valueOf(value));
            return this;
        }

        /** Says what a subject is. */
        public Builder subject(String name, String meaning) {
            subjects.put(name, meaning);
            return this;
        }

        /** Begins a part: rows that are shown together. */
        public Builder part(String name, String itsTitle) {
            parts.put(name, itsTitle);
            return this;
        }

        /** Says what would make the numbers wrong. */
        public Builder caveat(String text) {
            caveats.add(text);
            return this;
        }

        /** Adds a row of a part and subject that were named before. */
        public Builder row(Row row) {
            require(parts, row.part());
            require(subjects, row.subject());
            rows.add(row);
            progress.accept(row);
            return this;
        }

        private static void require(Map<String, String> known, String name) {
            if (!known.containsKey(name)) {
                throw new IllegalArgumentException("nobody has said what " + name + " is");
            }
        }

        /** What is there so far. */
        public Report build() {
            return new Report(
                    benchmark,
                    title,
                    epochMillis,
                    version,
                    host,
                    new LinkedHashMap<>(programs),
                    new LinkedHashMap<>(parameters),
                    new LinkedHashMap<>(subjects),
                    new LinkedHashMap<>(parts),
                    List.copyOf(caveats),
                    List.copyOf(rows));
        }
    }
}
