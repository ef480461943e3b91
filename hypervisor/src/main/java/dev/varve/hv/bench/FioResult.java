// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

/**
 * What fio measured.
 *
 * @param iops requests for each second
 * @param p99Micros the 99th percentile of the time a request takes, in microseconds
 */
record FioResult(double iops, double p99Micros) {}
