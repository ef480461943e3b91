// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.file;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.contract.SrDriverContract;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.SrDriver;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;

class FileSrDriverContractTest implements SrDriverContract {
    private static final int MEBIBYTE = 1 << 20;

    @TempDir Path parent;
    private final FileSrDriver driver = new FileSrDriver();

    private Path root() {
        return parent.resolve("sr");
    }

    @Override
    public SrDriver driver() {
        return driver;
    }

    @Override
    public Map<String, String> config() {
        return Map.of("location", root().toString());
    }

    @Override
    public Map<String, String> otherConfig() {
        return Map.of("location", parent.resolve("other").toString());
    }

    @Override
    public ErrorCode missingKeyError(String key) {
        return ErrorCode.CONFIG_LOCATION_MISSING;
    }

    @Override
    public boolean takeAway() {
        move(root(), parent.resolve("away"));
        return true;
    }

    @Override
    public void bringBack() {
        move(parent.resolve("away"), root());
    }

    private static void move(Path from, Path to) {
        try {
            Files.move(from, to);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public Object traces() {
        Map<String, Long> sizes = new TreeMap<>();
        try (Stream<Path> files = Files.walk(parent)) {
            for (Path file : files.toList()) {
                boolean directory = Files.isDirectory(file);
                sizes.put(parent.relativize(file).toString(), directory ? -1 : Files.size(file));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return sizes;
    }

    private static SrIdentity identity() {
        return new SrIdentity(UUID.randomUUID(), "label", "", Map.of());
    }

    private static DeviceConfig at(Object location) {
        return new DeviceConfig(Map.of("location", location.toString()));
    }

    private StorageException createFails(ErrorCode code, Object location) {
        Object before = traces();
        StorageException failure =
                assertFails(
                        code,
                        () ->
                                driver.create(
                                        identity(), at(location), SrDriverContract.context(HOST)));
        assertEquals(before, traces());
        return failure;
    }

    private SrIdentity createAt(Path location) {
        SrIdentity identity = identity();
        driver.create(identity, at(location), SrDriverContract.context(HOST));
        return identity;
    }

    private AttachedSr attachAt(Path location, SrIdentity identity) {
        return driver.attach(identity, at(location), SrDriverContract.context(HOST));
    }

    private void destroyAt(Path location, SrIdentity identity) {
        driver.destroy(identity, at(location), SrDriverContract.context(HOST));
    }

    private static VolumeId vhd() {
        return new VolumeId(VolumeKind.VHD, UUID.randomUUID());
    }

    @ParameterizedTest
    @ValueSource(strings = {"relative/path", ".", "with\u0000zero"})
    void locationThatIsNoAbsolutePathIsRefused(String location) {
        createFails(ErrorCode.SR_INVALID_ARGUMENT, location);
    }

    @Test
    void onlyOneLevelOfDirectoriesIsMade() {
        StorageException failure = createFails(ErrorCode.FILE_SR_CREATE, root().resolve("below"));
        assertTrue(failure.sentence().contains(root().toString()), failure.sentence());
    }

    @Test
    void fileInTheWayIsNotTouched() throws IOException {
        Files.writeString(root(), "precious");
        createFails(ErrorCode.SR_EXISTS, root());
        createFails(ErrorCode.FILE_SR_CREATE, root().resolve("below"));
    }

    @Test
    void directoryThatHoldsSomethingIsNotTouched() throws IOException {
        Files.createDirectory(root());
        Files.writeString(root().resolve("notes"), "precious");
        StorageException failure = createFails(ErrorCode.SR_EXISTS, root());
        assertTrue(failure.sentence().contains("notes"), failure.sentence());
    }

    @Test
    void emptyDirectoryIsUsedAndStaysAfterDestroy() throws IOException {
        Files.createDirectories(root().resolve("lost+found"));
        Object before = traces();
        SrIdentity identity = createAt(root());
        attachAt(root(), identity).close();
        destroyAt(root(), identity);
        assertEquals(before, traces());
    }

    @Test
    void destroyLeavesForeignFilesAlone() throws IOException {
        SrIdentity identity = createAt(root());
        Files.writeString(root().resolve("notes"), "precious");
        Path outside = Files.writeString(parent.resolve("outside"), "precious");
        Files.createSymbolicLink(root().resolve(".varve/meta/link"), outside);
        destroyAt(root(), identity);
        assertEquals("precious", Files.readString(root().resolve("notes")));
        assertEquals("precious", Files.readString(outside));
        assertFalse(Files.exists(root().resolve(".varve")));
    }

    /** A crash in the middle of making one leaves directories and no repository. */
    @Test
    void interruptedCreationIsRepeated() throws IOException {
        Files.createDirectories(root().resolve(".varve/volumes"));
        SrIdentity identity = createAt(root());
        attachAt(root(), identity).close();
    }

    @Test
    void directoryOfTheReferenceStackIsAttachedAsItIs() throws IOException {
        VolumeId disk = vhd();
        Files.createDirectory(root());
        Path image = root().resolve(disk.uuid() + ".vhd");
        Files.write(image, new byte[2048]);
        SrIdentity identity = identity();
        assertTrue(
                driver.probe(at(root()), SrDriverContract.context(HOST)).repositories().isEmpty());
        createFails(ErrorCode.SR_EXISTS, root());
        try (AttachedSr sr = attachAt(root(), identity)) {
            assertEquals(identity, sr.identity());
            VolumeInfo found = sr.volumes().find(disk).orElseThrow();
            assertEquals(2048, found.sizeBytes());
            sr.check();
        }
        try (AttachedSr sr = attachAt(root(), identity)) {
            assertEquals(identity, sr.identity());
        }
        assertEquals(2048, Files.size(image));
    }

    /** An empty directory is most likely a mount point whose file system is missing. */
    @Test
    void emptyDirectoryIsNotAttached() throws IOException {
        Files.createDirectory(root());
        Object before = traces();
        assertFails(ErrorCode.SR_UNAVAILABLE, () -> attachAt(root(), identity()).close());
        assertEquals(before, traces());
    }

    @Test
    void damagedIdentityIsNotGuessed() throws IOException {
        SrIdentity identity = createAt(root());
        Files.writeString(root().resolve(".varve/sr.json"), "{");
        StorageException failure =
                assertFails(ErrorCode.SR_METADATA, () -> attachAt(root(), identity).close());
        assertTrue(failure.sentence().contains("sr.json"), failure.sentence());
    }

    @Test
    void anotherRepositoryInItsPlaceIsNoticed() {
        SrIdentity identity = createAt(root());
        try (AttachedSr sr = attachAt(root(), identity)) {
            takeAway();
            SrIdentity impostor = createAt(root());
            StorageException failure = assertFails(ErrorCode.SR_UNAVAILABLE, sr::check);
            assertTrue(failure.sentence().contains(impostor.uuid().toString()));
            destroyAt(root(), impostor);
            bringBack();
            sr.check();
        }
    }

    // ---- file systems of their own, which only root can mount

    private Path mount(String options) {
        Path point = parent.resolve("mounted");
        Assumptions.assumeTrue("root".equals(System.getProperty("user.name")), "needs root");
        try {
            Files.createDirectory(point);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Assumptions.assumeTrue(
                run("mount", "-t", "tmpfs", "-o", options, "varve-test", point.toString()),
                "cannot mount a file system here");
        return point;
    }

    private static boolean run(String... command) {
        try {
            return new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static void unmount(Path point) {
        assertTrue(run("umount", point.toString()));
    }

    @Test
    @Tag("real")
    void readOnlyFileSystemIsReadAndHeals() {
        Path point = mount("size=16m");
        try {
            SrIdentity identity = createAt(point);
            VolumeId disk = vhd();
            try (AttachedSr sr = attachAt(point, identity)) {
                sr.volumes().commit(List.of(new VolumeChange.Create(disk, MEBIBYTE, Map.of())));
            }
            assertTrue(run("mount", "-o", "remount,ro", point.toString()));
            try (AttachedSr sr = attachAt(point, identity)) {
                assertTrue(sr.volumes().find(disk).isPresent());
                sr.volumes().open(disk, false).close();
                StorageException failure = assertFails(ErrorCode.SR_NOT_WRITABLE, sr::check);
                assertTrue(failure.sentence().contains("remount"), failure.sentence());
                assertFails(ErrorCode.SR_NOT_WRITABLE, () -> sr.update(identity));
                assertFails(
                        ErrorCode.SR_NOT_WRITABLE,
                        () -> sr.volumes().commit(List.of(new VolumeChange.Delete(disk))));
                assertFails(ErrorCode.SR_NOT_WRITABLE, () -> sr.volumes().open(disk, true).close());
                createFails(ErrorCode.SR_NOT_WRITABLE, point.resolve("below"));
                assertTrue(run("mount", "-o", "remount,rw", point.toString()));
                sr.check();
                assertFails(ErrorCode.SR_IN_USE, () -> destroyAt(point, identity));
                sr.volumes().commit(List.of(new VolumeChange.Delete(disk)));
            }
        } finally {
            unmount(point);
        }
    }

    /** Guests have taken everything, and commits of several steps go on. */
    @Test
    @Tag("real")
    void fullFileSystemKeepsRoomForCommits() throws IOException {
        Path point = mount("size=16m");
        try {
            SrIdentity identity = createAt(point);
            try (AttachedSr sr = attachAt(point, identity)) {
                VolumeId disk = vhd();
                sr.volumes().commit(List.of(new VolumeChange.Create(disk, MEBIBYTE, Map.of())));
                Files.write(point.resolve("guest"), new byte[10 * MEBIBYTE]);
                StoreSpace before = sr.volumes().space();
                assertEquals(MEBIBYTE, Files.size(point.resolve(".varve/reserve")));
                assertTrue(before.freeBytes() < 5L * MEBIBYTE, before.toString());
                fillUp(point.resolve("filler"));
                sr.volumes()
                        .commit(
                                List.of(
                                        new VolumeChange.Create(vhd(), MEBIBYTE, Map.of("a", "b")),
                                        new VolumeChange.SetAttributes(disk, Map.of("a", "b"))));
                assertEquals(2, sr.volumes().list().size());
                Files.delete(point.resolve("filler"));
                sr.volumes().space();
                assertEquals(MEBIBYTE, Files.size(point.resolve(".varve/reserve")));
            }
        } finally {
            unmount(point);
        }
    }

    @Test
    @Tag("real")
    void fullFileSystemRefusesChangesWholeAndLetsDisksGo() throws IOException {
        Path point = mount("size=1m,nr_inodes=200");
        try {
            SrIdentity identity = createAt(point);
            try (AttachedSr sr = attachAt(point, identity)) {
                VolumeId disk = vhd();
                sr.volumes().commit(List.of(new VolumeChange.Create(disk, MEBIBYTE, Map.of())));
                fillUp(point.resolve("filler"));
                List<VolumeInfo> before = sr.volumes().list();
                assertFails(
                        ErrorCode.SR_NO_SPACE,
                        () ->
                                sr.volumes()
                                        .commit(
                                                List.of(
                                                        new VolumeChange.Create(
                                                                vhd(), MEBIBYTE, Map.of("a", "b")),
                                                        new VolumeChange.SetAttributes(
                                                                disk, Map.of("a", "b")))));
                assertEquals(before, sr.volumes().list());
                sr.check();
                try (StoreVolume volume = sr.volumes().open(disk, true)) {
                    assertEquals(
                            64L * MEBIBYTE,
                            volume.grow(2L * MEBIBYTE).toCompletableFuture().join());
                }
                sr.volumes().commit(List.of(new VolumeChange.Delete(disk)));
                Files.delete(point.resolve("filler"));
                sr.volumes()
                        .commit(
                                List.of(
                                        new VolumeChange.Create(
                                                vhd(), MEBIBYTE, Map.of("a", "b"))));
            }
        } finally {
            unmount(point);
        }
    }

    private static void fillUp(Path file) throws IOException {
        byte[] page = new byte[4096];
        try (var out = Files.newOutputStream(file)) {
            while (true) {
                out.write(page);
            }
        } catch (IOException e) {
            assertTrue(Files.size(file) > 0, () -> "it ends when it is full: " + e);
        }
    }
}
