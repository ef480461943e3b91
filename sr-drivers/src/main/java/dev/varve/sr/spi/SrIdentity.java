// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.spi;

import java.util.Map;
import java.util.UUID;

/** What is kept about a repository next to its data, so that another host finds it again. */
public record SrIdentity(
        UUID uuid, String label, String description, Map<String, String> smConfig) {
    /** Copies the map. */
    public SrIdentity {
        smConfig = Map.copyOf(smConfig);
    }
}
