// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.storage;

import dev.varve.hv.nbd.NbdServer;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.disk.Disks;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.vhd.VhdFormat;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The lanes of this daemon, and the NBD server in front of them. */
public final class LaneStorageEngine implements AutoCloseable {
    private final VdiEngine engine;
    private final NbdServer nbd;
    private final Map<VolumeKind, ImageFormat> formats;
    private final LaneDatapath datapath;

    /**
     * Starts the lanes and opens the socket.
     *
     * @param nbdSocket where NBD clients connect
     */
    public LaneStorageEngine(EngineContext context, Path nbdSocket) {
        formats =
                Map.of(
                        VolumeKind.VHD,
                        new VhdFormat(context.clock()),
                        VolumeKind.RAW,
                        new RawFormat());
        engine = new VdiEngine(context);
        nbd = new NbdServer(nbdSocket, engine.lanes().getFirst());
        datapath = new LaneDatapath(engine, nbd, formats);
    }

    /** The operations on the disks of a repository. */
    public DiskService disks(AttachedSr sr) {
        return new Disks(sr.volumes(), engine, formats);
    }

    /** The way of disks to their users. */
    public Datapath datapath() {
        return datapath;
    }

    /** A few lines on lanes and connections, for people. */
    public List<String> describe() {
        List<String> lines = new ArrayList<>(engine.describe());
        lines.add("nbd: " + nbd.connectionCount() + " connections");
        return lines;
    }

    @Override
    public void close() {
        nbd.close();
        engine.close();
    }
}
