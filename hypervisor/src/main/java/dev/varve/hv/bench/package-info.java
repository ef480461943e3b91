// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * Benchmarks: our servers beside the ones that a user would pick, in one run, as ratios. They need
 * the real programs; {@code docs/BENCHMARKING.md} says how to read the numbers.
 */
package dev.varve.hv.bench;
