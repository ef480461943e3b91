// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.nbd.NbdEndpoint;
import dev.varve.hv.nbd.NbdServer;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.disk.Disks;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.Lane;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.filter.RoomWatch;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdFormat;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The lanes of this daemon, and the NBD server in front of them. */
public final class LaneStorageEngine implements StorageEngine {
    private static final Logger LOG = LoggerFactory.getLogger(LaneStorageEngine.class);

    private final VdiEngine engine;
    private final NbdServer nbd;
    private final Map<VolumeKind, ImageFormat> formats;
    private final RandomSource random;
    private final LaneDatapath datapath;

    /**
     * Starts the lanes and opens the socket.
     *
     * @param nbdSocket where NBD clients connect
     * @param random for the UUIDs of images
     */
    public LaneStorageEngine(EngineContext context, Path nbdSocket, RandomSource random) {
        this.random = random;
        formats =
                Map.of(
                        VolumeKind.VHD,
                        new VhdFormat(context.clock()),
                        VolumeKind.RAW,
                        new RawFormat());
        engine = new VdiEngine(context);
        nbd = new NbdServer(nbdSocket, engine.lanes().getFirst());
        datapath = new LaneDatapath(nbd);
    }

    /** Starts the engine of a daemon, with its socket under the daemon's home. */
    public static StorageEngine open(StorageEngineFactory.Setting setting) {
        EngineContext context =
                EngineContext.defaults(
                        setting.clock(),
                        (lane, thrown) -> LOG.error("a stage of {} threw", lane, thrown));
        return new LaneStorageEngine(
                context, setting.home().resolve("run").resolve("nbd.sock"), setting.random());
    }

    @Override
    public DiskService disks(AttachedSr sr, RoomWatch room) {
        return new ClaimedDisks(
                new Disks(sr.volumes(), engine, formats, random, room),
                sr.claims(),
                vdi -> engine.find(vdi).isPresent(),
                datapath::linesChanged);
    }

    @Override
    public Datapath datapath() {
        return datapath;
    }

    @Override
    public InetSocketAddress serveNbd(NbdEndpoint endpoint) {
        return nbd.listen(endpoint);
    }

    @Override
    public void stopNbd(InetSocketAddress address) {
        nbd.stop(address);
    }

    @Override
    public List<String> describe() {
        List<String> lines = new ArrayList<>(engine.describe());
        lines.add(
                "metadata of images: %.1f of %d MiB of memory"
                        .formatted(
                                engine.metadata().usedBytes() / (double) (1 << 20),
                                engine.metadata().limitBytes() >> 20));
        lines.addAll(nbd.describe());
        return lines;
    }

    @Override
    public EngineStatus status() {
        return new EngineStatus(
                nbd.connectionCount(),
                engine.metadata().usedBytes(),
                engine.metadata().limitBytes(),
                engine.lanes().stream().map(this::status).toList());
    }

    private EngineStatus.LaneStatus status(Lane lane) {
        long disks = engine.activeDisks().stream().filter(vdi -> vdi.lane() == lane).count();
        return new EngineStatus.LaneStatus(lane.name(), lane.turns(), disks);
    }

    @Override
    public void close() {
        nbd.close();
        engine.close();
    }
}
