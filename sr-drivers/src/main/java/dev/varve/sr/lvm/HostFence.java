// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import java.util.function.Consumer;

/**
 * Whether this host may use a device that it shares with others. One that could not say for a while
 * that it lives may have been taken for dead, and others may have what it had.
 *
 * <p><b>Threads:</b> any; only listeners may wait.
 */
public interface HostFence {
    /** Whether this host may not use the device now. Time alone makes this true. */
    boolean isFenced();

    /** Whether it may not any more, until the repository is attached anew. */
    boolean isLost();

    /**
     * Fails when this host may not use the device now.
     *
     * @throws dev.varve.vdi.StorageException SR_UNAVAILABLE, with the reason
     */
    void require();

    /**
     * Is told true when this host has to stop, and once more when it {@linkplain #isLost() may not
     * go on any more}; false when it may.
     */
    void onFence(Consumer<Boolean> listener);
}
