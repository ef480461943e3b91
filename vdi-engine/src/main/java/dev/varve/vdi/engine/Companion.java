// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.engine;

import dev.varve.vdi.Operation;

import java.util.function.BooleanSupplier;

/** Something that is kept beside a disk for as long as that is active. */
public interface Companion {
    /** Nothing. */
    Companion NONE =
            new Companion() {
                @Override
                public void seal(Operation operation) {}

                @Override
                public void close(BooleanSupplier idle) {}
            };

    /** What the disk holds is durable, and nothing is in flight any more. May wait. */
    void seal(Operation operation);

    /**
     * Lets go of what it has open.
     *
     * @param idle whether the disk is done with it; asked on the lane
     */
    void close(BooleanSupplier idle);
}
