// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.Operation;
import dev.varve.vdi.engine.ActiveVdi;

/** Somebody who reads a disk that nobody writes meanwhile. */
@FunctionalInterface
public interface DiskReading {
    /** Reads it; it is closed afterwards. Blocks. */
    void read(ActiveVdi disk, Operation operation);
}
