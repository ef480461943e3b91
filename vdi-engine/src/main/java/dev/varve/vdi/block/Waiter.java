// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.block;

/**
 * Who goes on with a request that had to wait for something.
 *
 * <p><b>Threads:</b> the lane's only.
 */
public interface Waiter {
    /** It is worth trying again. */
    void resume(BlockRequest request);

    /** What it waited for failed. */
    void fail(BlockRequest request, IoStatus status);
}
