// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.StorageException;

import java.util.List;

/**
 * What a merge has come to.
 *
 * @param changes what it has left behind
 * @param copiedBytes how much was copied
 * @param unchanged why some attached disks go on with the two images until they are detached; they
 *     read the same
 */
public record Merged(DiskChanges changes, long copiedBytes, List<StorageException> unchanged) {
    /** Copies the list. */
    public Merged {
        unchanged = List.copyOf(unchanged);
    }
}
