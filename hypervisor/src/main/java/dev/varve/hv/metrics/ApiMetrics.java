// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.metrics;

import dev.varve.hv.xenapi.CallListener;
import dev.varve.hv.xenapi.Database;

import io.prometheus.metrics.core.metrics.Histogram;

import java.util.Locale;

/** Calls of the API with the time that they take, sessions and tasks. */
public final class ApiMetrics implements MetricSource, CallListener {
    private static final double[] BOUNDS_SECONDS = {
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30
    };
    private static final double NANOS = 1e9;

    private final Database database;
    private final Histogram calls =
            Histogram.builder()
                    .name(Metric.API_CALLS.fullName())
                    .help(Metric.API_CALLS.help())
                    .labelNames(Metric.API_CALLS.labels().toArray(String[]::new))
                    .classicOnly()
                    .classicUpperBounds(BOUNDS_SECONDS)
                    .withoutExemplars()
                    .build();

    /** No calls yet. */
    public ApiMetrics(Database database) {
        this.database = database;
    }

    @Override
    public void called(String className, Outcome outcome, long nanos) {
        calls.labelValues(className, outcome.name().toLowerCase(Locale.ROOT))
                .observe(nanos / NANOS);
    }

    @Override
    public void collect(Samples samples) {
        samples.add(calls.collect());
        samples.add(Metric.API_SESSIONS, database.count("session"));
        samples.add(Metric.API_TASKS, database.count("task"));
    }
}
