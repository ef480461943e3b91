// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.metrics;

import dev.varve.hv.storage.Attachments;
import dev.varve.hv.storage.ChainStatus;
import dev.varve.hv.storage.EngineStatus;
import dev.varve.hv.storage.LastError;
import dev.varve.hv.storage.SrManager;
import dev.varve.hv.storage.StorageEngine;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Database;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.filter.RoomWatch;

import java.util.Map;
import java.util.Optional;

/** Disks, repositories, and the engine under them. */
public final class StorageMetrics implements MetricSource {
    /** What the datapath calls what it counts for a disk. */
    private static final Map<String, Metric> DISK =
            Map.of(
                    "reads", Metric.DISK_READS,
                    "read_bytes", Metric.DISK_READ_BYTES,
                    "writes", Metric.DISK_WRITES,
                    "write_bytes", Metric.DISK_WRITE_BYTES,
                    "flushes", Metric.DISK_FLUSHES,
                    "discards", Metric.DISK_DISCARDS,
                    "errors", Metric.DISK_ERRORS,
                    "in_flight", Metric.DISK_IN_FLIGHT);

    private final Database database;
    private final SrManager repositories;
    private final Attachments attachments;
    private final StorageEngine engine;

    /** Over the parts of a daemon. */
    public StorageMetrics(
            Database database,
            SrManager repositories,
            Attachments attachments,
            StorageEngine engine) {
        this.database = database;
        this.repositories = repositories;
        this.attachments = attachments;
        this.engine = engine;
    }

    @Override
    public void collect(Samples samples) {
        attachments.active().forEach(vbd -> disk(samples, vbd));
        database.all("SR").forEach(sr -> repository(samples, sr));
        engine(samples, engine.status());
    }

    private void disk(Samples samples, ApiObject vbd) {
        Optional<ApiObject> vdi = database.find(vbd.text("VDI"));
        Optional<ApiObject> sr = vdi.flatMap(disk -> database.find(disk.text("SR")));
        if (sr.isPresent()) {
            counters(vbd)
                    .forEach(
                            (name, value) -> {
                                Metric metric = DISK.get(name);
                                if (metric != null) {
                                    samples.add(metric, value, vdi.get().uuid(), sr.get().uuid());
                                }
                            });
        }
    }

    /** A disk that was detached since the list of disks was made has none any more. */
    private Map<String, Long> counters(ApiObject vbd) {
        try {
            return attachments.status(vbd).counters();
        } catch (StorageException e) {
            if (e.code() == ErrorCode.VDI_NOT_ATTACHED || e.code() == ErrorCode.HANDLE_INVALID) {
                return Map.of();
            }
            throw e;
        }
    }

    private void repository(Samples samples, ApiObject sr) {
        String[] labels = {sr.uuid(), sr.text("type")};
        samples.add(Metric.SR_ATTACHED, repositories.isAttached(sr.ref()) ? 1 : 0, labels);
        samples.add(Metric.SR_TROUBLED, LastError.of(sr).isEmpty() ? 0 : 1, labels);
        samples.add(Metric.SR_SIZE, sr.number("physical_size"), labels);
        samples.add(Metric.SR_USED, sr.number("physical_utilisation"), labels);
        samples.add(Metric.SR_VIRTUAL, sr.number("virtual_allocation"), labels);
        Optional<RoomWatch> room = repositories.room(sr.ref());
        samples.add(Metric.SR_WAITING, room.map(RoomWatch::waitingRequests).orElse(0), labels);
        room.ifPresent(watch -> samples.add(Metric.SR_WAITED, watch.everHeld(), labels));
        samples.add(Metric.SR_DISKS, database.countReferring("VDI", "SR", sr.ref()), labels);
        repositories.chains(sr.ref()).ifPresent(chains -> chains(samples, chains, labels));
    }

    private static void chains(Samples samples, ChainStatus chains, String... labels) {
        samples.add(Metric.SR_MERGES, chains.merges(), labels);
        samples.add(Metric.SR_MERGED_BYTES, chains.mergedBytes(), labels);
        samples.add(Metric.SR_FAILED_MERGES, chains.failures(), labels);
        samples.add(Metric.SR_RUNNING_MERGES, chains.running().size(), labels);
        samples.add(Metric.SR_GARBAGE, chains.garbage(), labels);
        samples.add(Metric.SR_LONGEST_CHAIN, chains.longestChain(), labels);
    }

    private static void engine(Samples samples, EngineStatus status) {
        samples.add(Metric.NBD_CONNECTIONS, status.nbdConnections());
        samples.add(Metric.METADATA_USED, status.metadataUsedBytes());
        samples.add(Metric.METADATA_LIMIT, status.metadataLimitBytes());
        for (EngineStatus.LaneStatus lane : status.lanes()) {
            samples.add(Metric.LANE_TURNS, lane.turns(), lane.name());
            samples.add(Metric.LANE_DISKS, lane.disks(), lane.name());
        }
    }
}
