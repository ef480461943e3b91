// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench.report;

/**
 * What a row is compared with: another row of the same part.
 *
 * @param subject who was measured there
 * @param workload what it did there
 */
public record Baseline(String subject, String workload) {}
