// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * What a benchmark found, as a {@link dev.varve.hv.bench.report.Report}, and the three ways to
 * write it down: a table, JSON, and plots. Benchmarks fill the report and print nothing by
 * themselves.
 */
package dev.varve.hv.bench.report;
