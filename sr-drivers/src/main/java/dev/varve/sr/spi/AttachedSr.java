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
     * needed.
     */
    void check();

    /** Lets go of the medium. No volume may be open. */
    @Override
    void close();
}
