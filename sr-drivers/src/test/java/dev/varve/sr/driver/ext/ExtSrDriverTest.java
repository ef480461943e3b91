// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.ext;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.varve.sr.contract.SrDriverContract;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.StoreSpace;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.UUID;

/** What is refused before any device is touched, and what needs no device at all. */
class ExtSrDriverTest {
    private static final SrIdentity IDENTITY =
            new SrIdentity(UUID.randomUUID(), "label", "", Map.of());

    @TempDir Path directory;
    private final ExtSrDriver driver = new ExtSrDriver(true, ExtSrDriver.Layout.GROUP);

    private StorageException createFails(ErrorCode code, Map<String, String> config) {
        return assertFails(
                code,
                () ->
                        driver.create(
                                IDENTITY,
                                new DeviceConfig(config),
                                SrDriverContract.context(SrDriverContract.HOST)));
    }

    @Test
    void withoutRootTheReasonAndTheWayOutAreTold() {
        ExtSrDriver ordinary = new ExtSrDriver(false, ExtSrDriver.Layout.GROUP);
        DeviceConfig config = new DeviceConfig(Map.of("device", "/dev/null"));
        StorageException failure =
                assertFails(
                        ErrorCode.SR_UNAVAILABLE,
                        () ->
                                ordinary.create(
                                        IDENTITY,
                                        config,
                                        SrDriverContract.context(SrDriverContract.HOST)));
        assertTrue(failure.sentence().contains("as root"), failure.sentence());
        assertTrue(failure.sentence().contains("type file"), failure.sentence());
    }

    @ParameterizedTest
    @ValueSource(strings = {"sdb", "/dev/sdb,/dev/sdc", "dev/sdb", "/dev/with\u0000zero"})
    void pathThatNamesNoDeviceIsRefused(String device) {
        assertTrue(
                createFails(
                                device.contains(",")
                                        ? ErrorCode.SR_UNAVAILABLE
                                        : ErrorCode.CONFIG_DEVICE_INVALID,
                                Map.of("device", device))
                        .sentence()
                        .contains("device"));
    }

    @Test
    void forceIsTrueOrFalse() {
        createFails(ErrorCode.SR_INVALID_ARGUMENT, Map.of("device", "/dev/x", "force", "yes"));
    }

    @Test
    void onlyBlockDevicesAreTaken() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "precious");
        for (String path : new String[] {file.toString(), directory.toString(), "/dev/null"}) {
            StorageException failure =
                    createFails(ErrorCode.CONFIG_DEVICE_INVALID, Map.of("device", path));
            assertTrue(failure.sentence().contains("not a block device"), failure.sentence());
        }
        assertEquals("precious", Files.readString(file));
    }

    @Test
    void deviceThatIsNotThereIsSaidToBe() {
        StorageException failure =
                createFails(
                        ErrorCode.SR_UNAVAILABLE,
                        Map.of("device", directory.resolve("none").toString()));
        assertTrue(failure.sentence().contains("is not there"), failure.sentence());
    }

    @Test
    void superblockIsUnderstood() {
        Ext4.Superblock superblock =
                Ext4.Superblock.parse(
                        """
                        Filesystem volume name:   a: b
                        Filesystem state:         clean
                        Block count:              1000
                        Overhead clusters:        100
                        Free blocks:              600
                        Block size:               4096
                        """);
        assertFalse(superblock.hasErrors());
        assertEquals(1000 * 4096, superblock.sizeBytes());
        assertEquals(new StoreSpace(900 * 4096, 300 * 4096), superblock.space());
        assertTrue(Ext4.Superblock.parse("Filesystem state:   clean with errors\n").hasErrors());
    }

    @Test
    void superblockThatLacksSomethingIsAnError() {
        assertFails(ErrorCode.SR_FILESYSTEM, () -> Ext4.Superblock.parse("").hasErrors());
        assertFails(
                ErrorCode.SR_FILESYSTEM, () -> Ext4.Superblock.parse("Block count: x").sizeBytes());
    }
}
