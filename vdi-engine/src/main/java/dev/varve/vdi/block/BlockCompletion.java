// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

/** Told when a request is over. */
@FunctionalInterface
public interface BlockCompletion {
    /**
     * Runs on the lane's thread, once for each submission. The outcome is in {@link
     * BlockRequest#status}; an implementation may submit more requests, and must not throw.
     */
    void completed(BlockRequest request);
}
