// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.store;

/**
 * The space of a store in bytes.
 *
 * @param physicalSizeBytes how much there is in all
 * @param physicalUsedBytes how much of it is taken
 */
public record StoreSpace(long physicalSizeBytes, long physicalUsedBytes) {
    /** How much is left. */
    public long freeBytes() {
        return Math.max(0, physicalSizeBytes - physicalUsedBytes);
    }
}
