// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.spi;

import dev.varve.vdi.store.VolumeStore;

/**
 * A repository that this host has attached.
 *
 * <p><b>Threads:</b> any; calls may block on the medium.
 */
public interface AttachedSr extends AutoCloseable {
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

    /** Lets go of the medium. No volume may be open. */
    @Override
    void close();
}
