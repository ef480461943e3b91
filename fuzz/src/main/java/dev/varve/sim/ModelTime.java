// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sim;

/**
 * The order in which guests sent requests and were told of their ends, over all disks of a host.
 */
final class ModelTime {
    private long now;

    /** The latest moment. */
    long now() {
        return now;
    }

    /** A new moment, later than all before. */
    long next() {
        return ++now;
    }
}
