// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.spi.PathHealth;

import java.util.List;
import java.util.Map;

/**
 * The device that the volume group of a repository lies on, and what there is to tell about it.
 *
 * <p><b>Threads:</b> any.
 */
public interface GroupDevice extends AutoCloseable {
    /** The device itself; it is closed with this. */
    BlockMedium medium();

    /** The device as a probe shows it: what is given to find it again. */
    String place();

    /** Whether other hosts may reach it as well. */
    boolean isShared();

    /** What is shown in {@code sm-config} of a repository that is on it. */
    default Map<String, String> properties() {
        return Map.of();
    }

    /** How the paths to it do; none where there is nothing to tell. Does not wait. */
    default List<PathHealth> paths() {
        return List.of();
    }

    /**
     * Fails with SR_UNAVAILABLE when it cannot be reached now, or when the device of that name is
     * another one now.
     */
    default void check() {
        medium().check();
    }

    /**
     * Whether what is open here will never work again, even when the device is back: it was taken
     * away, and is another one to this host then. May wait.
     */
    default boolean isLost() {
        return false;
    }

    /** Lets go of it. */
    @Override
    default void close() {
        medium().close();
    }
}
