// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import java.util.List;

/**
 * How the storage engine does.
 *
 * @param nbdConnections connections of NBD clients, negotiating ones included
 * @param metadataUsedBytes memory that metadata of images takes
 * @param metadataLimitBytes memory that it may take
 */
public record EngineStatus(
        int nbdConnections,
        long metadataUsedBytes,
        long metadataLimitBytes,
        List<LaneStatus> lanes) {
    /** Copies the list. */
    public EngineStatus {
        lanes = List.copyOf(lanes);
    }

    /**
     * How a lane does.
     *
     * @param name one of as many as the host has processors
     * @param turns how often it has looked for work since it started
     * @param disks how many active disks belong to it
     */
    public record LaneStatus(String name, long turns, long disks) {}
}
