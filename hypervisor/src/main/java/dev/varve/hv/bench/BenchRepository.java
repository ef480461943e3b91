// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.bench;

import dev.varve.hv.storage.LaneStorageEngine;
import dev.varve.hv.storage.SrSession;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.Claims;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrDriver;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.Operation;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.disk.VdiSpec;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.filter.RoomWatch;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.time.Threads;

import java.net.URI;
import java.nio.file.Path;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.UUID;
import java.util.concurrent.ExecutorService;

/** A repository, with the engine and the settings of the daemon. */
final class BenchRepository implements AutoCloseable {
    private final ExecutorService blocking = Threads.blockingPool("bench-");
    private final Operation operation = Operation.unbounded("bench", Clock.system());
    private final Path location;
    private final LaneStorageEngine engine;
    private final SrDriver driver;
    private final SrIdentity identity;
    private final DeviceConfig config;
    private final SrContext driverContext;
    private SrSession session;

    /** A daemon has this as long as it has the repository; without it each change takes it anew. */
    private Claims.Claim maintenance;

    /** A new file repository under the directory. */
    BenchRepository(Path directory) {
        this(directory, "file", Map.of("location", directory.resolve("sr").toString()));
    }

    /**
     * A new repository.
     *
     * @param directory where the engine and the driver may put files of theirs
     * @throws IllegalArgumentException when there is no driver of that type
     */
    BenchRepository(Path directory, String type, Map<String, String> configuration) {
        EngineContext context =
                EngineContext.defaults(
                        Clock.system(),
                        (lane, thrown) -> {
                            throw new IllegalStateException(lane, thrown);
                        });
        engine =
                new LaneStorageEngine(
                        context, directory.resolve("varve.sock"), RandomSource.secure());
        location = directory.resolve("sr");
        driver = driver(type);
        driverContext =
                new SrContext(
                        new UUID(0, 1),
                        directory,
                        Clock.system(),
                        RandomSource.secure(),
                        blocking,
                        operation);
        identity = new SrIdentity(RandomSource.secure().uuid(), "bench", "", Map.of());
        config = new DeviceConfig(configuration);
        try {
            driver.create(identity, config, driverContext);
            attachRepository();
        } catch (RuntimeException | Error e) {
            engine.close();
            blocking.shutdown();
            throw e;
        }
    }

    private static SrDriver driver(String type) {
        return ServiceLoader.load(SrDriver.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(found -> found.type().equals(type))
                .findFirst()
                .orElseThrow(
                        () ->
                                new IllegalArgumentException(
                                        "there is no driver for repositories of type " + type));
    }

    private void attachRepository() {
        AttachedSr sr = driver.attach(identity, config, driverContext);
        session = new SrSession(sr, engine.disks(sr, new RoomWatch(RoomWatch.WhenFull.FAIL)));
        maintenance = sr.claims().acquire(identity.uuid(), Claims.Mode.WRITE);
    }

    private void detachRepository() {
        session.sr().claims().release(maintenance);
        session.sr().close();
    }

    /** Lets go of the repository and takes it up again; no disk may be attached. */
    void reattach() {
        detachRepository();
        attachRepository();
    }

    /** The UUID of the repository. */
    UUID uuid() {
        return identity.uuid();
    }

    Operation operation() {
        return operation;
    }

    LaneStorageEngine engine() {
        return engine;
    }

    DiskService disks() {
        return session.disks();
    }

    /** Where the images of a file repository are. */
    Path location() {
        return location;
    }

    UUID create(VolumeKind kind, long sizeBytes) {
        UUID uuid = RandomSource.secure().uuid();
        disks().create(new VdiSpec(uuid, kind, sizeBytes, "bench", "", false), operation);
        return uuid;
    }

    URI attach(UUID uuid) {
        engine.datapath().attach(session, uuid, false);
        return engine.datapath().activate(uuid, operation);
    }

    void detach(UUID uuid) {
        engine.datapath().deactivate(uuid, operation);
        engine.datapath().detach(uuid);
    }

    @Override
    public void close() {
        detachRepository();
        engine.close();
        blocking.shutdown();
    }
}
