// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.nbd.NbdBitmaps;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.cbt.ChangedBlocks;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.engine.Lane;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.util.Collection;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * What an attached disk can be compared with.
 *
 * <p><b>Threads:</b> any; only {@link #snapshots} does not wait.
 */
final class DiskBitmaps implements NbdBitmaps {
    private static final long PATIENCE_SECONDS = 60;
    private static final Logger LOG = LoggerFactory.getLogger(DiskBitmaps.class);

    private final DiskService disks;
    private final UUID vdi;
    private final Lane lane;
    private volatile List<String> snapshots = List.of();

    DiskBitmaps(DiskService disks, UUID vdi, Lane lane) {
        this.disks = disks;
        this.vdi = vdi;
        this.lane = lane;
    }

    private Operation operation() {
        return Operation.within(
                "compare disk " + vdi, lane.clock(), PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    /** Looks anew for the snapshots. A disk is of use without them, so this does not fail. */
    void refresh() {
        try {
            snapshots = disks.comparable(vdi, operation()).stream().map(UUID::toString).toList();
        } catch (StorageException e) {
            LOG.warn("disk {} is served without its changed blocks", vdi, e);
            snapshots = List.of();
        }
    }

    /** Whether one of these is among the snapshots. */
    boolean names(Collection<UUID> vdis) {
        List<String> known = snapshots;
        return vdis.stream().map(UUID::toString).anyMatch(known::contains);
    }

    @Override
    public List<String> snapshots() {
        return snapshots;
    }

    @Override
    public ChangedBlocks since(String snapshot) {
        return disks.changedBlocks(UUID.fromString(snapshot), vdi, operation());
    }
}
