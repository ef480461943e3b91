// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.spi;

import dev.varve.vdi.store.StoreSpace;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What a probe found at the place that the device configuration names. */
public record ProbeResult(List<Found> repositories) {
    /** Copies the list. */
    public ProbeResult {
        repositories = List.copyOf(repositories);
    }

    /**
     * A repository that is already there.
     *
     * @param configuration the device configuration that attaches it
     */
    public record Found(
            SrIdentity identity, Map<String, String> configuration, Optional<StoreSpace> space) {
        /** Copies the map. */
        public Found {
            configuration = Map.copyOf(configuration);
        }
    }
}
