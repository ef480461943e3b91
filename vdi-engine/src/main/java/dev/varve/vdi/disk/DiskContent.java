// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.Operation;
import dev.varve.vdi.engine.ActiveVdi;

/** What a new disk is filled with before anybody else can see it. */
@FunctionalInterface
public interface DiskContent {
    /** Writes to a disk that reads as zero. Nothing has to be flushed. Blocks. */
    void writeTo(ActiveVdi target, Operation operation);
}
