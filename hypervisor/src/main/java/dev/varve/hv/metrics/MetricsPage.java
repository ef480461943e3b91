// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.metrics;

import dev.varve.hv.http.Route;

import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Tells all numbers in the text format of Prometheus.
 *
 * <p><b>Threads:</b> any.
 */
public final class MetricsPage implements Route.Exchange {
    private final PrometheusTextFormatWriter writer = PrometheusTextFormatWriter.create();
    private final List<MetricSource> sources = new CopyOnWriteArrayList<>();

    /** A page without numbers. */
    public MetricsPage() {}

    /** Adds a part of the daemon. */
    public MetricsPage with(MetricSource source) {
        sources.add(source);
        return this;
    }

    @Override
    public Route.Response answer(Route.Request request) throws IOException {
        return new Route.Response(200, writer.getContentType(), text());
    }

    /** The page as it is now. */
    public byte[] text() throws IOException {
        Samples samples = new Samples();
        sources.forEach(source -> source.collect(samples));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        writer.write(out, samples.snapshots());
        return out.toByteArray();
    }
}
