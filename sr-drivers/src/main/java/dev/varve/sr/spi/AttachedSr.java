// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.spi;

import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeStore;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A repository that this host has attached.
 *
 * <p><b>Threads:</b> any; calls may block on the medium.
 */
public interface AttachedSr extends AutoCloseable {
    /**
     * What whoever understands images knows of one.
     *
     * @param id its volume
     * @param virtualBytes how large the disk is, in bytes
     * @param parent the volume that it rests on
     */
    record Image(VolumeId id, long virtualBytes, Optional<VolumeId> parent) {}

    /** Its identity as it is kept on the medium. */
    SrIdentity identity();

    /** Its volumes. */
    VolumeStore volumes();

    /** The claims of hosts on its volumes. */
    Claims claims();

    /** Writes a changed name, description or configuration to the medium. */
    void update(SrIdentity identity);

    /**
     * Fails with SR_UNAVAILABLE or SR_NOT_WRITABLE when the medium cannot be used now, with what is
     * wrong and what to do. A repository that failed and passes later has healed; nothing else is
     * needed. A medium that {@link #isLost()} is brought back here if that is possible.
     */
    void check();

    /**
     * Whether the medium has gone away in such a way that volumes which are open now will never
     * work again, even when it is back. They have to be closed before {@link #check()} can bring it
     * back; what was flushed is there when they are opened again.
     */
    default boolean isLost() {
        return false;
    }

    /**
     * Whether a medium that {@link #isLost()} comes back only when the repository is attached anew,
     * and not by {@link #check()}.
     */
    default boolean needsAttaching() {
        return false;
    }

    /**
     * What the driver says of the repository as it is now, under the names of {@code sm-config}
     * that clients know. It is shown with the configuration of the identity and not kept.
     */
    default Map<String, String> properties() {
        return Map.of();
    }

    /** How the paths to the medium do; none when there is nothing to choose from. Does not wait. */
    default List<PathHealth> paths() {
        return List.of();
    }

    /**
     * What would go wrong if the repository were given back to the reference stack now, one
     * sentence for each, with what to do; nothing when its format is not one of that stack.
     *
     * @param images all images in it, inner nodes as well
     */
    default Optional<List<String>> handback(List<Image> images) {
        return Optional.empty();
    }

    /** Lets go of the medium. No volume may be open. */
    @Override
    void close();
}
