// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.spi;

import dev.varve.vdi.store.StoreSpace;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a probe found at the place that the device configuration names.
 *
 * @param devices devices that hold no repository: the one that was named, or those to choose from
 *     when none was
 */
public record ProbeResult(List<Found> repositories, List<Device> devices) {
    /** Copies the lists. */
    public ProbeResult {
        repositories = List.copyOf(repositories);
        devices = List.copyOf(devices);
    }

    /** Repositories only. */
    public ProbeResult(List<Found> repositories) {
        this(repositories, List.of());
    }

    /**
     * A block device.
     *
     * @param path what to give as {@code device-config:device}
     * @param vendor who made it; empty when that is not known, as are the next two
     * @param content what is on it now; empty when nothing is recognised
     */
    public record Device(
            String path,
            long sizeBytes,
            String vendor,
            String model,
            String serial,
            String content) {}

    /**
     * A repository that is already there.
     *
     * @param configuration the device configuration that attaches it
     * @param devices the paths of the devices that it lies on, where it lies on devices of this
     *     host
     */
    public record Found(
            SrIdentity identity,
            Map<String, String> configuration,
            Optional<StoreSpace> space,
            List<String> devices) {
        /** Copies the collections. */
        public Found {
            configuration = Map.copyOf(configuration);
            devices = List.copyOf(devices);
        }

        /** One that does not lie on devices of this host. */
        public Found(
                SrIdentity identity,
                Map<String, String> configuration,
                Optional<StoreSpace> space) {
            this(identity, configuration, space, List.of());
        }
    }
}
