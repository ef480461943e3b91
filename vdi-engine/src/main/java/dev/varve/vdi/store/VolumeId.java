// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.store;

import java.util.UUID;

/**
 * The name of a volume: what it holds and a UUID. Two volumes of different kind may share a UUID.
 */
public record VolumeId(VolumeKind kind, UUID uuid) {
    @Override
    public String toString() {
        return kind + " " + uuid;
    }
}
