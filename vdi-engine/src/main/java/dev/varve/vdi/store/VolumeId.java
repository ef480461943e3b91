// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.store;

import java.util.UUID;

/**
 * The name of a volume: what it holds and a UUID. Two volumes of different kind may share a UUID.
 */
public record VolumeId(VolumeKind kind, UUID uuid) {
    /** The same in every run, so that what follows the order of a hash table repeats itself. */
    @Override
    public int hashCode() {
        return 31 * kind.ordinal() + uuid.hashCode();
    }

    @Override
    public String toString() {
        return kind + " " + uuid;
    }
}
