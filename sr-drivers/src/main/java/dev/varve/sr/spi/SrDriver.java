// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.spi;

import java.util.List;
import java.util.Set;

/**
 * A type of storage repository. Found by {@link java.util.ServiceLoader}; without state of its own.
 *
 * <p>A driver knows where volumes are and how to reach them. It does not know what a disk is: see
 * {@link dev.varve.vdi.store.VolumeStore}. What it does not declare as a capability is refused
 * before it is asked.
 *
 * <p><b>Threads:</b> any; calls may block on the medium.
 */
public interface SrDriver {
    /** The type, as in {@code sr-create type=...}. */
    String type();

    /** Its name, for a person. */
    String name();

    /** What it is, in a sentence. */
    String description();

    /** What it can do. */
    Set<SrCapability> capabilities();

    /** The keys of its device configuration. */
    List<ConfigKey> configuration();

    /** Looks at the place that the configuration names and tells which repositories are there. */
    ProbeResult probe(DeviceConfig config, SrContext context);

    /**
     * Makes an empty repository. Fails with SR_EXISTS when there is something already; nothing is
     * left behind when it fails.
     */
    void create(SrIdentity identity, DeviceConfig config, SrContext context);

    /**
     * Makes the volumes of a repository usable on this host, and finishes what a crash interrupted.
     */
    AttachedSr attach(SrIdentity identity, DeviceConfig config, SrContext context);

    /**
     * Removes the repository and its metadata from the medium. It must not be attached.
     *
     * @throws dev.varve.vdi.StorageException SR_NOT_EMPTY_BACKEND when it still holds disks
     */
    void destroy(SrIdentity identity, DeviceConfig config, SrContext context);
}
