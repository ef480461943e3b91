// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrDriver;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.Operation;
import dev.varve.vdi.disk.Disks;
import dev.varve.vdi.disk.VdiSpec;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.raw.RawFormat;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdFormat;

import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.UUID;
import java.util.concurrent.ForkJoinPool;

/** A file repository with an engine and an NBD server in front of its disks. */
final class ServedRepository implements AutoCloseable {
    private static final Map<VolumeKind, ImageFormat> FORMATS =
            Map.of(VolumeKind.VHD, new VhdFormat(Clock.system()), VolumeKind.RAW, new RawFormat());

    private final Operation operation = Operation.unbounded("test", Clock.system());
    private final Path location;
    private final VdiEngine engine;
    private final NbdServer server;
    private final AttachedSr sr;
    private final Disks disks;
    private volatile Throwable trouble;

    /** A new repository in a directory. */
    ServedRepository(Path directory, EngineContext.Backend backend) {
        EngineContext context =
                EngineContext.defaults(Clock.system(), (lane, thrown) -> trouble = thrown);
        engine = new VdiEngine(context.withBackend(backend));
        server = new NbdServer(directory.resolve("nbd.sock"), engine.lanes().getFirst());
        SrDriver driver =
                ServiceLoader.load(SrDriver.class).stream()
                        .map(ServiceLoader.Provider::get)
                        .filter(found -> found.type().equals("file"))
                        .findFirst()
                        .orElseThrow();
        SrContext driverContext =
                new SrContext(
                        new UUID(7, 7),
                        directory,
                        Clock.system(),
                        RandomSource.secure(),
                        ForkJoinPool.commonPool(),
                        operation);
        location = directory.resolve("sr");
        SrIdentity identity = new SrIdentity(UUID.randomUUID(), "test", "", Map.of());
        DeviceConfig config = new DeviceConfig(Map.of("location", location.toString()));
        driver.create(identity, config, driverContext);
        sr = driver.attach(identity, config, driverContext);
        disks = new Disks(sr.volumes(), engine, FORMATS, RandomSource.secure());
    }

    Disks disks() {
        return disks;
    }

    Operation operation() {
        return operation;
    }

    /** Makes a disk and serves it. */
    ActiveVdi serveNew(VolumeKind kind, long sizeBytes) {
        UUID uuid = UUID.randomUUID();
        disks.create(new VdiSpec(uuid, kind, sizeBytes, "disk", "", false), operation);
        return serve(uuid, true);
    }

    /** Serves a disk. */
    ActiveVdi serve(UUID uuid, boolean writable) {
        ActiveVdi vdi = disks.activate(uuid, writable, operation);
        server.export(vdi);
        return vdi;
    }

    InetSocketAddress listen(NbdEndpoint endpoint) {
        return server.listen(endpoint);
    }

    URI uri(UUID uuid) {
        return server.uri(uuid);
    }

    /** Brings a disk to storage and ends its service. */
    void end(ActiveVdi vdi) {
        server.unexport(vdi.uuid());
        vdi.close(operation);
    }

    /** The file of an image. */
    Path image(UUID uuid, String suffix) {
        return location.resolve(uuid + suffix);
    }

    @Override
    public void close() {
        server.close();
        engine.close();
        sr.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }
}
