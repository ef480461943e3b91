// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.ext;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.contract.DirectContext;
import dev.varve.sr.contract.SrDriverContract;
import dev.varve.sr.host.LoopDevice;
import dev.varve.sr.host.MountTable;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.ProbeResult;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.ffi.Libc;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** What a repository on a device meets: other content, other users, death of the file system. */
@Tag("real")
class ExtDeviceTest {
    private static final int MEBIBYTE = 1 << 20;

    @TempDir Path parent;
    private final ExtSrDriver driver = new ExtSrDriver(true, ExtSrDriver.Layout.BARE);
    private final SrIdentity identity =
            new SrIdentity(UUID.randomUUID(), "label", "words", Map.of());
    private LoopDevice device;

    @BeforeEach
    void makeDevice() throws IOException {
        LoopDevice.assumePossible();
        device = LoopDevice.make(parent.resolve("disk.img"), 300L * MEBIBYTE);
    }

    @AfterEach
    void removeDevice() throws IOException {
        if (device != null) {
            device.close();
        }
    }

    private SrContext context() {
        SrContext context = SrDriverContract.context(SrDriverContract.HOST);
        return new SrContext(
                context.host(),
                parent,
                context.clock(),
                context.random(),
                context.blocking(),
                context.operation());
    }

    private DeviceConfig config() {
        return new DeviceConfig(Map.of("device", device.node().toString()));
    }

    private DeviceConfig forced() {
        return new DeviceConfig(Map.of("device", device.node().toString(), "force", "true"));
    }

    private void create() {
        driver.create(identity, config(), context());
    }

    private AttachedSr attach() {
        return driver.attach(identity, config(), context());
    }

    private Path point() {
        return parent.resolve("mnt").resolve(identity.uuid().toString());
    }

    private String createFails(ErrorCode code) {
        return assertFails(code, this::create).sentence();
    }

    // ---- making

    @Test
    void deviceThatHoldsSomethingIsOnlyTakenByForce() throws IOException {
        LoopDevice.run("mkswap", "-L", "precious", device.node().toString());
        byte[] before = Files.readAllBytes(device.image());
        String sentence = createFails(ErrorCode.SR_EXISTS);
        assertTrue(sentence.contains("swap \"precious\""), sentence);
        assertTrue(sentence.contains("force=true"), sentence);
        assertArrayEquals(before, Files.readAllBytes(device.image()));
        driver.create(identity, forced(), context());
        attach().close();
        driver.destroy(identity, forced(), context());
        create();
    }

    @Test
    void tableOfPartitionsIsRespected() throws IOException {
        byte[] sector = new byte[512];
        sector[446 + 4] = (byte) 0x83;
        sector[446 + 8] = 8;
        sector[446 + 13] = 8;
        sector[510] = 0x55;
        sector[511] = (byte) 0xAA;
        Files.write(device.node(), sector, StandardOpenOption.WRITE);
        String sentence = createFails(ErrorCode.SR_EXISTS);
        assertTrue(sentence.contains("dos partition table"), sentence);
    }

    @Test
    void mountedDeviceIsNotTakenEvenByForce() throws IOException {
        LoopDevice.run("mkfs.ext4", "-q", device.node().toString());
        Path elsewhere = Files.createDirectory(parent.resolve("else where"));
        LoopDevice.run("mount", device.node().toString(), elsewhere.toString());
        Files.writeString(elsewhere.resolve("notes"), "precious");
        StorageException failure =
                assertFails(
                        ErrorCode.DEVICE_IN_USE,
                        () -> driver.create(identity, forced(), context()));
        assertTrue(failure.sentence().contains(elsewhere.toString()), failure.sentence());
        assertEquals("precious", Files.readString(elsewhere.resolve("notes")));
        assertFails(ErrorCode.DEVICE_IN_USE, () -> attach().close());
    }

    @Test
    void deviceOfAnotherProgramIsNotTaken() {
        int fd = Libc.open(device.node().toString(), Libc.O_RDONLY | Libc.O_EXCL);
        try {
            createFails(ErrorCode.DEVICE_IN_USE);
        } finally {
            Libc.close(fd);
        }
        create();
    }

    @Test
    void smallDeviceIsRefused() throws IOException {
        try (LoopDevice small = LoopDevice.make(parent.resolve("small.img"), 64L * MEBIBYTE)) {
            DeviceConfig config = new DeviceConfig(Map.of("device", small.node().toString()));
            StorageException failure =
                    assertFails(
                            ErrorCode.CONFIG_DEVICE_INVALID,
                            () -> driver.create(identity, config, context()));
            assertTrue(failure.sentence().contains("at least 256 MiB"), failure.sentence());
        }
    }

    @Test
    void readOnlyDeviceIsRefused() throws IOException {
        try (LoopDevice readOnly = LoopDevice.of(device.image(), "-r")) {
            DeviceConfig config = new DeviceConfig(Map.of("device", readOnly.node().toString()));
            assertFails(
                    ErrorCode.SR_NOT_WRITABLE, () -> driver.create(identity, config, context()));
        }
    }

    // ---- looking

    @Test
    void probeChangesNothing() throws IOException {
        create();
        byte[] before = Files.readAllBytes(device.image());
        ProbeResult.Found found = driver.probe(config(), context()).repositories().getFirst();
        assertEquals(identity, found.identity());
        assertTrue(found.space().orElseThrow().physicalSizeBytes() > 200L * MEBIBYTE);
        assertArrayEquals(before, Files.readAllBytes(device.image()));
        try (AttachedSr sr = attach()) {
            assertEquals(
                    sr.identity(),
                    driver.probe(config(), context()).repositories().getFirst().identity());
        }
    }

    @Test
    void probeTellsWhatElseIsThere() {
        LoopDevice.run("mkfs.ext4", "-q", "-L", "bare", device.node().toString());
        ProbeResult result = driver.probe(config(), context());
        assertEquals(List.of(), result.repositories());
        assertTrue(result.devices().getFirst().content().startsWith("ext4 \"bare\""));
    }

    @Test
    void probeWithoutADeviceListsThoseThatAreFree() {
        create();
        DeviceConfig none = new DeviceConfig(Map.of());
        assertTrue(listed(driver.probe(none, context())));
        try (AttachedSr sr = attach()) {
            assertEquals(identity, sr.identity());
            assertFalse(listed(driver.probe(none, context())), "it is in use");
        }
    }

    private boolean listed(ProbeResult result) {
        return result.devices().stream()
                .anyMatch(
                        found ->
                                found.path().equals(device.node().toString())
                                        && found.sizeBytes() == 300L * MEBIBYTE
                                        && found.content().contains(identity.uuid().toString()));
    }

    // ---- attaching and letting go

    @Test
    void mountThatADeadDaemonLeftIsTakenOver() throws IOException {
        create();
        Files.createDirectories(point());
        LoopDevice.run("mount", device.node().toString(), point().toString());
        try (AttachedSr sr = attach()) {
            sr.check();
            List<String> options =
                    MountTable.read().at(point().toRealPath()).orElseThrow().options();
            assertTrue(options.contains("noatime"), options.toString());
            assertTrue(options.contains("errors=remount-ro"), options.toString());
        }
        assertEquals(List.of(), device.mounts());
        assertFalse(Files.exists(parent.resolve("mnt")));
    }

    @Test
    void busyFileSystemIsSaidToBeAndTakenOverAgain() throws IOException {
        create();
        AttachedSr sr = attach();
        Path file = Files.writeString(point().resolve(".varve/foreign"), "x");
        try (InputStream open = Files.newInputStream(file)) {
            StorageException failure = assertFails(ErrorCode.SR_UNMOUNT, sr::close);
            assertTrue(failure.sentence().contains("fuser -vm"), failure.sentence());
            assertEquals('x', open.read());
            assertFails(ErrorCode.SR_UNMOUNT, () -> attach().close());
        }
        attach().close();
        assertEquals(List.of(), device.mounts());
    }

    @Test
    void damagedFileSystemIsReportedAndNotMounted() {
        create();
        LoopDevice.run("debugfs", "-w", "-R", "ssv state 2", device.node().toString());
        StorageException failure = assertFails(ErrorCode.SR_FILESYSTEM, () -> attach().close());
        assertTrue(failure.sentence().contains("e2fsck -f"), failure.sentence());
        assertEquals(List.of(), device.mounts());
        LoopDevice.run("debugfs", "-w", "-R", "ssv state 1", device.node().toString());
        attach().close();
    }

    /** A copy of a disk gets another UUID so that both can be mounted. */
    @Test
    void repositoryIsKnownByItsIdentityAndNotByItsFileSystem() {
        create();
        // It changes only what was checked since it was mounted last, in seconds.
        LoopDevice.run("e2fsck", "-f", "-p", device.node().toString());
        LoopDevice.run("tune2fs", "-f", "-U", "random", device.node().toString());
        attach().close();
    }

    @Test
    void foreignFilesKeepTheFileSystem() throws IOException {
        create();
        try (AttachedSr sr = attach()) {
            Files.writeString(point().resolve("notes"), "precious");
            sr.check();
        }
        StorageException failure =
                assertFails(
                        ErrorCode.SR_NOT_EMPTY_BACKEND,
                        () -> driver.destroy(identity, config(), context()));
        assertTrue(failure.sentence().contains("notes"), failure.sentence());
        try (AttachedSr sr = attach()) {
            sr.check();
            Files.delete(point().resolve("notes"));
        }
        driver.destroy(identity, config(), context());
    }

    // ---- death of the file system

    private VolumeId addDisk(AttachedSr sr) {
        VolumeId id = new VolumeId(VolumeKind.VHD, UUID.randomUUID());
        sr.volumes().commit(List.of(new VolumeChange.Create(id, MEBIBYTE, Map.of("a", "b"))));
        return id;
    }

    @Test
    void fileSystemThatWasShutDownIsMountedAgain() {
        create();
        try (AttachedSr sr = attach()) {
            VolumeId disk = addDisk(sr);
            assertFalse(sr.isLost());
            LoopDevice.shutDown(point());
            assertTrue(sr.isLost());
            assertFails(ErrorCode.SR_IO_ERROR, () -> addDisk(sr));
            sr.check();
            assertFalse(sr.isLost());
            assertEquals(Map.of("a", "b"), sr.volumes().find(disk).orElseThrow().attributes());
            addDisk(sr);
            assertFails(ErrorCode.SR_IN_USE, () -> driver.destroy(identity, config(), context()));
        }
        assertEquals(List.of(), device.mounts());
    }

    @Test
    void whatWasFlushedIsThereAfterTheFileSystemDied() {
        create();
        try (AttachedSr sr = attach();
                DirectContext lane = new DirectContext()) {
            VolumeId disk = addDisk(sr);
            byte[] expected = new byte[MEBIBYTE];
            Arrays.fill(expected, (byte) 7);
            try (StoreVolume volume = sr.volumes().open(disk, true)) {
                lane.write(volume.device(), 0, MEBIBYTE, 7);
                LoopDevice.shutDown(point());
                assertTrue(sr.isLost());
                StorageException failure = assertFails(ErrorCode.SR_UNAVAILABLE, sr::check);
                assertTrue(failure.sentence().contains("still in use"), failure.sentence());
                assertTrue(sr.isLost());
            }
            sr.check();
            try (StoreVolume volume = sr.volumes().open(disk, true)) {
                assertArrayEquals(expected, lane.read(volume.device(), 0, MEBIBYTE));
                lane.write(volume.device(), 0, MEBIBYTE, 8);
            }
        }
    }

    @Test
    void deadMountOfADeadDaemonIsMountedAnew() throws IOException {
        create();
        Files.createDirectories(point());
        LoopDevice.run("mount", device.node().toString(), point().toString());
        LoopDevice.shutDown(point());
        try (AttachedSr sr = attach()) {
            sr.check();
        }
    }
}
