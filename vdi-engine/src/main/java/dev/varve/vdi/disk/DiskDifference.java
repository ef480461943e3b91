// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.Operation;
import dev.varve.vdi.engine.ActiveVdi;

import java.util.List;

/**
 * Two disks side by side.
 *
 * @param base the one that the other is compared with
 * @param disk the other one
 * @param shared whether both rest on one image
 * @param ownParts of both disks, the images that are not below both, open as disks with nothing
 *     below; what none of these holds is the same on both, as far as both reach
 */
public record DiskDifference(
        ActiveVdi base, ActiveVdi disk, boolean shared, List<ActiveVdi> ownParts) {
    /** Copies the parts. */
    public DiskDifference {
        ownParts = List.copyOf(ownParts);
    }

    /** Somebody who reads both. */
    @FunctionalInterface
    public interface Reading {
        /** Reads them; they are closed afterwards. Blocks. */
        void read(DiskDifference difference, Operation operation);
    }
}
