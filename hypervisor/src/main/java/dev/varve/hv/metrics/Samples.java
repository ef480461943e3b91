// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.metrics;

import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.HistogramSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshot;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * The numbers of one scrape.
 *
 * <p><b>Threads:</b> one.
 */
public final class Samples {
    private static final String TOTAL = "_total";

    private record Sample(double value, Labels labels) {}

    private final Map<Metric, List<Sample>> samples = new EnumMap<>(Metric.class);
    private final List<HistogramSnapshot> histograms = new ArrayList<>();

    Samples() {}

    /**
     * Adds a number.
     *
     * @param labels the values of its labels, in their order
     */
    public void add(Metric metric, double value, String... labels) {
        if (labels.length != metric.labels().size()) {
            throw new IllegalArgumentException(metric + " has the labels " + metric.labels());
        }
        samples.computeIfAbsent(metric, _ -> new ArrayList<>())
                .add(new Sample(value, Labels.of(metric.labels().toArray(String[]::new), labels)));
    }

    /** Adds a whole number; see the other one. */
    public void add(Metric metric, long value, String... labels) {
        add(metric, (double) value, labels);
    }

    void add(HistogramSnapshot histogram) {
        histograms.add(histogram);
    }

    MetricSnapshots snapshots() {
        MetricSnapshots.Builder all = MetricSnapshots.builder();
        samples.forEach((metric, each) -> all.metricSnapshot(snapshot(metric, each)));
        histograms.forEach(all::metricSnapshot);
        return all.build();
    }

    private static MetricSnapshot snapshot(Metric metric, List<Sample> samples) {
        return switch (metric.type()) {
            case COUNTER -> counter(metric, samples);
            case GAUGE -> gauge(metric, samples);
            case HISTOGRAM -> throw new IllegalArgumentException(metric + " is no single number");
        };
    }

    /** The library adds the end of the name itself. */
    private static MetricSnapshot counter(Metric metric, List<Sample> samples) {
        String name = metric.fullName();
        CounterSnapshot.Builder counter =
                CounterSnapshot.builder()
                        .name(name.substring(0, name.length() - TOTAL.length()))
                        .help(metric.help());
        for (Sample sample : samples) {
            counter.dataPoint(
                    CounterSnapshot.CounterDataPointSnapshot.builder()
                            .value(sample.value())
                            .labels(sample.labels())
                            .build());
        }
        return counter.build();
    }

    private static MetricSnapshot gauge(Metric metric, List<Sample> samples) {
        GaugeSnapshot.Builder gauge =
                GaugeSnapshot.builder().name(metric.fullName()).help(metric.help());
        for (Sample sample : samples) {
            gauge.dataPoint(
                    GaugeSnapshot.GaugeDataPointSnapshot.builder()
                            .value(sample.value())
                            .labels(sample.labels())
                            .build());
        }
        return gauge.build();
    }
}
