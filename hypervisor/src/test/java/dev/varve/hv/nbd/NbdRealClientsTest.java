// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.EngineContext;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

import javax.net.ssl.SSLContext;

/** Clients that others wrote read and write our disks, and other programs read the images. */
@Tag("real")
class NbdRealClientsTest {
    private static final long SIZE = 256 << 20;

    /** Where all of a disk goes through TLS, which is what takes the time. */
    private static final long SMALL = 64 << 20;

    private static final InetAddress LOOPBACK = InetAddress.getLoopbackAddress();

    @TempDir static Path keys;
    private static TestCertificate certificate;

    @TempDir Path directory;
    private ServedRepository repository;

    @BeforeAll
    static void makeCertificate() throws Exception {
        certificate = new TestCertificate(keys);
    }

    private void start(EngineContext.Backend backend) {
        repository = new ServedRepository(directory, backend);
    }

    @AfterEach
    void stop() {
        if (repository != null) {
            repository.close();
        }
    }

    private ActiveVdi serve(VolumeKind kind) {
        return repository.serveNew(kind, SIZE);
    }

    private ActiveVdi serveSmall() {
        return repository.serveNew(VolumeKind.VHD, SMALL);
    }

    private void end(ActiveVdi vdi) {
        repository.end(vdi);
    }

    @ParameterizedTest
    @CsvSource({"IO_URING, VHD", "POOL, VHD", "IO_URING, RAW"})
    void fioVerifiesWhatItWroteWithFourJobs(EngineContext.Backend backend, VolumeKind kind)
            throws IOException, InterruptedException {
        Tool.require("fio");
        start(backend);
        ActiveVdi vdi = serve(kind);
        String uri = repository.uri(vdi.uuid()).toString();
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
    void fioVerifiesWhatItWroteAcrossSnapshots(EngineContext.Backend backend) throws Exception {
        Tool.require("fio");
        start(backend);
        ActiveVdi vdi = serve(VolumeKind.VHD);
        String uri = repository.uri(vdi.uuid()).toString();
        int snapshots = 0;
        try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
            Future<String> fio = thread.submit(() -> verifyWithFio(uri, 96));
            while (!fio.isDone()) {
                repository
                        .disks()
                        .snapshot(
                                List.of(new SnapshotSpec(vdi.uuid(), UUID.randomUUID())),
                                repository.operation());
                snapshots++;
            }
            assertTrue(fio.get().contains("err= 0"), fio.get());
        }
        // A snapshot while fio only reads finds the leaf empty and adds no layer.
        assertTrue(vdi.depth() > 3, snapshots + " snapshots, depth " + vdi.depth());
        end(vdi);
    }

    /** Writes and then reads two pieces of so many MiB. */
    private static String verifyWithFio(String uri, int mebibytes)
            throws IOException, InterruptedException {
        return Tool.run(
                "fio",
                "--name=verify",
                "--ioengine=nbd",
                "--uri=" + uri,
                "--rw=randwrite",
                "--bsrange=4k-128k",
                "--iodepth=8",
                "--numjobs=2",
                "--size=" + mebibytes + "m",
                "--offset_increment=" + mebibytes + "m",
                "--verify=crc32c",
                "--do_verify=1",
                "--verify_fatal=1",
                "--verify_state_save=0",
                "--fsync=64");
    }

    @ParameterizedTest
    @CsvSource({"IO_URING", "POOL"})
    void otherProgramsReadTheImageThatAClientWrote(EngineContext.Backend backend)
            throws IOException, InterruptedException {
        Tool.require("nbdcopy", "qemu-img", "vhdiinfo", "nbdinfo");
        start(backend);
        ActiveVdi vdi = serve(VolumeKind.VHD);
        String uri = repository.uri(vdi.uuid()).toString();
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
        Path image = repository.image(vdi.uuid(), ".vhd");
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
        String uri = repository.uri(vdi.uuid()).toString();
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
        String uri = repository.uri(vdi.uuid()).toString();
        assertEquals(SIZE, Long.parseLong(Tool.run("nbdinfo", "--size", uri).strip()));
        repository.disks().resize(vdi.uuid(), 2 * SIZE, repository.operation());
        assertEquals(2 * SIZE, Long.parseLong(Tool.run("nbdinfo", "--size", uri).strip()));
        end(vdi);
    }

    // ---- in the network

    private static final String SESSION = "?session_id=OpaqueRef:1";

    /** Serves under names of the form of the field, with TLS when there is a certificate. */
    private InetSocketAddress listen(Optional<SSLContext> tls) {
        InetSocketAddress any = new InetSocketAddress(LOOPBACK, 0);
        return repository.listen(
                new NbdEndpoint(
                        any,
                        tls,
                        name ->
                                name.startsWith("/") && name.endsWith(SESSION)
                                        ? Optional.of(name.substring(1, 37))
                                        : Optional.empty()));
    }

    private static String uri(String scheme, InetSocketAddress address, ActiveVdi vdi, Path keys) {
        String uri =
                "%s://127.0.0.1:%d//%s%%3Fsession_id%%3DOpaqueRef%%3A1"
                        .formatted(scheme, address.getPort(), vdi.uuid());
        return keys == null ? uri : uri + "?tls-certificates=" + keys;
    }

    @ParameterizedTest
    @CsvSource({"IO_URING", "POOL"})
    void libnbdCopiesThereAndBackUnderTls(EngineContext.Backend backend) throws Exception {
        Tool.require("nbdcopy", "nbdinfo");
        start(backend);
        ActiveVdi vdi = serveSmall();
        InetSocketAddress address = listen(Optional.of(certificate.server));
        String uri = uri("nbds", address, vdi, certificate.directory);
        Path source = randomFile();
        Tool.run("nbdcopy", "--flush", source.toString(), uri);
        Path back = directory.resolve("back.raw");
        Tool.run("nbdcopy", uri, back.toString());
        assertEquals(-1, Files.mismatch(source, back));
        String info = Tool.run("nbdinfo", uri);
        assertTrue(info.contains("export-size: " + SMALL), info);
        assertTrue(info.contains("TLS"), info);
        String map = Tool.run("nbdinfo", "--map", uri);
        assertTrue(map.contains("hole,zero") && map.contains("data"), map);
        Tool.Result unprotected = Tool.tryRun("nbdinfo", uri("nbd", address, vdi, null));
        assertTrue(unprotected.status() != 0, "without TLS nothing is served");
        assertTrue(unprotected.output().contains("TLS"), unprotected.output());
        end(vdi);
    }

    /** A file of the size of a small disk, part of it random. */
    private Path randomFile() throws IOException {
        byte[] content = new byte[(int) SMALL];
        java.util.Random random = new java.util.Random(2);
        for (int i = 0; i < 200; i++) {
            byte[] piece = new byte[512 * (1 + random.nextInt(400))];
            random.nextBytes(piece);
            int at = 512 * random.nextInt((content.length - piece.length) / 512);
            System.arraycopy(piece, 0, content, at, piece.length);
        }
        return Files.write(directory.resolve("source.raw"), content);
    }

    /** It has no way to be told of certificates, so it takes any. */
    @Test
    void fioVerifiesWhatItWroteUnderTls() throws Exception {
        Tool.require("fio");
        start(EngineContext.Backend.AUTO);
        ActiveVdi vdi = serveSmall();
        InetSocketAddress address = listen(Optional.of(certificate.server));
        String uri = uri("nbds", address, vdi, null) + "?tls-verify-peer=false";
        String output = verifyWithFio(uri, 24);
        assertTrue(output.contains("err= 0"), output);
        end(vdi);
    }

    @Test
    void fioVerifiesWhatItWroteOverTcp() throws Exception {
        Tool.require("fio");
        start(EngineContext.Backend.AUTO);
        ActiveVdi vdi = serve(VolumeKind.VHD);
        String output = verifyWithFio(uri("nbd", listen(Optional.empty()), vdi, null), 96);
        assertTrue(output.contains("err= 0"), output);
        end(vdi);
    }

    @Test
    void qemuWritesZeroesAndDiscardsUnderTls() throws Exception {
        Tool.require("qemu-io", "qemu-img");
        start(EngineContext.Backend.AUTO);
        ActiveVdi vdi = serveSmall();
        InetSocketAddress address = listen(Optional.of(certificate.server));
        String credentials = "tls-creds-x509,id=tls0,endpoint=client,dir=" + certificate.directory;
        String disk =
                "driver=raw,file.driver=nbd,file.server.type=inet,file.server.host=127.0.0.1"
                        + ",file.server.port=%d,file.tls-creds=tls0,file.export=/%s%s"
                                .formatted(address.getPort(), vdi.uuid(), SESSION);
        String[] commands = {
            "write -P 0xab 1M 4M",
            "write -z 2M 64k",
            "discard 4M 512k",
            "read -P 0xab 1M 1M",
            "read -P 0 2M 64k",
            "write -f -P 0xcd 10M 4k",
            "flush",
            "read -P 0xcd 10M 4k"
        };
        List<String> line =
                new ArrayList<>(
                        List.of("qemu-io", "--object", credentials, "--image-opts", "-d", "unmap"));
        for (String command : commands) {
            line.addAll(List.of("-c", command));
        }
        line.add(disk);
        Tool.run(line.toArray(String[]::new));
        Path copy = directory.resolve("copy.raw");
        Tool.run(
                "qemu-img",
                "convert",
                "--object",
                credentials,
                "--image-opts",
                disk,
                "-O",
                "raw",
                copy.toString());
        byte[] content = Files.readAllBytes(copy);
        assertEquals(SMALL, content.length);
        assertEquals((byte) 0xab, content[1 << 20]);
        assertEquals(0, content[2 << 20]);
        assertEquals((byte) 0xcd, content[10 << 20]);
        end(vdi);
    }
}
