// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.metrics;

/** A part of the daemon that has numbers to tell. */
public interface MetricSource {
    /** Adds what it has. Any thread; asks no storage. */
    void collect(Samples samples);
}
