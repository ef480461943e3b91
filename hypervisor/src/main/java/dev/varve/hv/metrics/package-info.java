// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Numbers about the daemon for a monitoring system. {@link dev.varve.hv.metrics.Metric} names them
 * all; sources read what the parts of the daemon count anyway, and touch no storage.
 */
package dev.varve.hv.metrics;
