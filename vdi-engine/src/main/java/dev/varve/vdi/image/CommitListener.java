// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.image;

import dev.varve.vdi.block.IoStatus;

/** Told how a commit of a layer ended. */
@FunctionalInterface
public interface CommitListener {
    /**
     * Runs on the lane's thread. With OK, everything written before the commit began is durable.
     */
    void committed(IoStatus status);
}
