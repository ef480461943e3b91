// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

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
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;
import dev.varve.vdi.vhd.VhdFormat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.UUID;
import java.util.concurrent.ForkJoinPool;

/** Clients that others wrote read and write our disks, and other programs read the images. */
@Tag("real")
class NbdRealClientsTest {
    private static final long SIZE = 256 << 20;
    private static final Map<VolumeKind, ImageFormat> FORMATS =
            Map.of(VolumeKind.VHD, new VhdFormat(Clock.system()), VolumeKind.RAW, new RawFormat());

    @TempDir Path directory;
    private final Operation operation = Operation.unbounded("test", Clock.system());
    private VdiEngine engine;
    private NbdServer server;
    private AttachedSr sr;
    private Disks disks;
    private Throwable trouble;

    private void start(EngineContext.Backend backend) {
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
        SrContext context2 =
                new SrContext(
                        new UUID(7, 7),
                        directory,
                        Clock.system(),
                        RandomSource.secure(),
                        ForkJoinPool.commonPool(),
                        operation);
        SrIdentity identity = new SrIdentity(UUID.randomUUID(), "test", "", Map.of());
        DeviceConfig config =
                new DeviceConfig(Map.of("location", directory.resolve("sr").toString()));
        driver.create(identity, config, context2);
        sr = driver.attach(identity, config, context2);
        disks = new Disks(sr.volumes(), engine, FORMATS, RandomSource.secure());
    }

    @AfterEach
    void stop() {
        if (engine == null) {
            return;
        }
        server.close();
        engine.close();
        sr.close();
        if (trouble != null) {
            throw new AssertionError("a stage threw", trouble);
        }
    }

    private ActiveVdi serve(VolumeKind kind) {
        UUID uuid = UUID.randomUUID();
        disks.create(new VdiSpec(uuid, kind, SIZE, "disk", "", false), operation);
        return activate(uuid, kind);
    }

    private ActiveVdi activate(UUID uuid, VolumeKind kind) {
        ActiveVdi vdi =
                engine.activate(
                        uuid,
                        sr.volumes().open(new VolumeId(kind, uuid), true),
                        FORMATS.get(kind),
                        true,
                        operation);
        server.export(vdi);
        return vdi;
    }

    private void end(ActiveVdi vdi) {
        server.unexport(vdi.uuid());
        vdi.close(operation);
    }

    private Path image(ActiveVdi vdi, String suffix) {
        return directory.resolve("sr").resolve(vdi.uuid() + suffix);
    }

    @ParameterizedTest
    @CsvSource({"IO_URING, VHD", "POOL, VHD", "IO_URING, RAW"})
    void fioVerifiesWhatItWroteWithFourJobs(EngineContext.Backend backend, VolumeKind kind)
            throws IOException, InterruptedException {
        Tool.require("fio");
        start(backend);
        ActiveVdi vdi = serve(kind);
        String uri = server.uri(vdi.uuid()).toString();
        String output =
                Tool.run(
                        "fio",
                        "--name=verify",
                        "--ioengine=nbd",
                        "--uri=" + uri,
                        "--rw=randwrite",
                        "--bsrange=4k-256k",
                        "--iodepth=16",
                        "--numjobs=4",
                        "--size=48m",
                        "--offset_increment=64m",
                        "--verify=crc32c",
                        "--do_verify=1",
                        "--verify_fatal=1",
                        "--verify_state_save=0",
                        "--fsync=64");
        assertTrue(output.contains("err= 0"), output);
        end(vdi);
    }

    @ParameterizedTest
    @CsvSource({"IO_URING", "POOL"})
    void otherProgramsReadTheImageThatAClientWrote(EngineContext.Backend backend)
            throws IOException, InterruptedException {
        Tool.require("nbdcopy", "qemu-img", "vhdiinfo", "nbdinfo");
        start(backend);
        ActiveVdi vdi = serve(VolumeKind.VHD);
        String uri = server.uri(vdi.uuid()).toString();
        Path source = directory.resolve("source.raw");
        byte[] content = new byte[(int) SIZE];
        java.util.Random random = new java.util.Random(1);
        for (int i = 0; i < 200; i++) {
            byte[] piece = new byte[512 * (1 + random.nextInt(200))];
            random.nextBytes(piece);
            int at = 512 * random.nextInt((content.length - piece.length) / 512);
            System.arraycopy(piece, 0, content, at, piece.length);
        }
        Files.write(source, content);
        Tool.run("nbdcopy", "--flush", source.toString(), uri);
        Path back = directory.resolve("back.raw");
        Tool.run("nbdcopy", uri, back.toString());
        assertEquals(-1, Files.mismatch(source, back));
        String map = Tool.run("nbdinfo", "--map", uri);
        assertTrue(map.contains("hole,zero"), map);
        assertTrue(map.contains("data"), map);
        String info = Tool.run("nbdinfo", uri);
        assertTrue(info.contains("export-size: " + SIZE), info);
        assertTrue(info.contains("can_multi_conn: true"), info);
        end(vdi);
        Path image = image(vdi, ".vhd");
        Tool.run(
                "qemu-img",
                "compare",
                "-f",
                "vpc",
                "-F",
                "raw",
                image.toString(),
                source.toString());
        String vhdi = Tool.run("vhdiinfo", image.toString());
        assertTrue(vhdi.contains("Dynamic"), vhdi);
        assertTrue(vhdi.contains("(" + SIZE + " bytes)"), vhdi);
    }

    @Test
    void qemuWritesZeroesAndDiscards() throws IOException, InterruptedException {
        Tool.require("qemu-io");
        start(EngineContext.Backend.AUTO);
        ActiveVdi vdi = serve(VolumeKind.VHD);
        String uri = server.uri(vdi.uuid()).toString();
        Tool.run(
                "qemu-io",
                "-f",
                "raw",
                "-d",
                "unmap",
                uri,
                "-c",
                "write -P 0xab 1M 4M",
                "-c",
                "write -z 2M 64k",
                "-c",
                "write -z -u 3M 64k",
                "-c",
                "discard 4M 512k",
                "-c",
                "read -P 0xab 1M 1M",
                "-c",
                "read -P 0 2M 64k",
                "-c",
                "read -P 0 3M 64k",
                "-c",
                "write -f -P 0xcd 10M 4k",
                "-c",
                "flush",
                "-c",
                "read -P 0xcd 10M 4k");
        end(vdi);
    }

    @Test
    void newConnectionsSeeTheNewSize() throws IOException, InterruptedException {
        Tool.require("nbdinfo");
        start(EngineContext.Backend.AUTO);
        ActiveVdi vdi = serve(VolumeKind.VHD);
        String uri = server.uri(vdi.uuid()).toString();
        assertEquals(SIZE, Long.parseLong(Tool.run("nbdinfo", "--size", uri).strip()));
        disks.resize(vdi.uuid(), 2 * SIZE, operation);
        assertEquals(2 * SIZE, Long.parseLong(Tool.run("nbdinfo", "--size", uri).strip()));
        end(vdi);
    }
}
