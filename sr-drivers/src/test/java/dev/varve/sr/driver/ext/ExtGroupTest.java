// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.ext;

import static dev.varve.sr.contract.Errors.assertFails;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.varve.sr.contract.SrDriverContract;
import dev.varve.sr.host.HostDevice;
import dev.varve.sr.host.LoopDevice;
import dev.varve.sr.host.LoopRange;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.ProbeResult;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** The layout of the reference stack, with the programs of the volume manager as judges. */
@Tag("real")
class ExtGroupTest {
    private static final int MEBIBYTE = 1 << 20;

    @TempDir Path parent;
    private final ExtSrDriver driver = new ExtSrDriver();
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

    private AttachedSr attach() {
        return driver.attach(identity, config(), context());
    }

    /** A program of the volume manager that sees this device only and maps nothing. */
    private String lvm(String... words) {
        assumeTrue(Files.isExecutable(Path.of("/usr/sbin/lvm")), "needs lvm2");
        List<String> all = new ArrayList<>(List.of(words));
        all.addAll(
                1,
                List.of(
                        "--driverloaded",
                        "n",
                        "--devices",
                        device.node().toString(),
                        "--config",
                        "backup/backup=0 backup/archive=0 global/use_lvmpolld=0"));
        return LoopDevice.run("lvm", all.toArray(String[]::new));
    }

    private String group() {
        return "XSLocalEXT-" + identity.uuid();
    }

    @Test
    void whatIsMadeIsWhatTheReferenceMakes() {
        driver.create(identity, config(), context());
        lvm("vgck", group());
        assertEquals(
                identity.uuid() + " linear 1",
                lvm(
                                "lvs",
                                "--noheadings",
                                "-o",
                                "lv_name,segtype,seg_count",
                                "--separator",
                                " ",
                                group())
                        .strip());
        assertEquals("0", lvm("vgs", "--noheadings", "-o", "vg_free_count", group()).strip());
        attach().close();
        assertEquals(List.of(), HostDevice.of(device.node()).loops());
    }

    /** It keeps neither a name nor a file of ours, and may hold no disk yet. */
    @Test
    void repositoryOfTheReferenceIsAttachedAsItIs() {
        lvm("pvcreate", "-ff", "-y", "--metadatasize", "10M", device.node().toString());
        lvm("vgcreate", group(), device.node().toString());
        lvm("lvcreate", "-an", "-Zn", "-n", identity.uuid().toString(), "-l", "100%VG", group());
        HostDevice whole = HostDevice.of(device.node());
        ExtVolume.Group range = ExtVolume.of(whole).group().orElseThrow();
        try (LoopRange loop = LoopRange.of(whole, range.offset(), range.length())) {
            LoopDevice.run("mkfs.ext4", "-q", "-F", loop.device().node().toString());
        }
        ProbeResult.Found found = driver.probe(config(), context()).repositories().getFirst();
        assertEquals(identity.uuid(), found.identity().uuid());
        assertEquals(List.of(device.node().toString()), found.devices());
        try (AttachedSr sr = attach()) {
            assertEquals(identity, sr.identity());
            sr.check();
        }
        assertEquals(
                identity, driver.probe(config(), context()).repositories().getFirst().identity());
    }

    @Test
    void groupOfAnotherKindIsLeftAlone() {
        lvm("pvcreate", device.node().toString());
        lvm("vgcreate", "precious", device.node().toString());
        StorageException failure =
                assertFails(
                        ErrorCode.SR_EXISTS, () -> driver.create(identity, config(), context()));
        assertTrue(failure.sentence().contains("LVM2_member \"precious\""), failure.sentence());
        ProbeResult probed = driver.probe(config(), context());
        assertEquals(List.of(), probed.repositories());
        assertTrue(probed.devices().getFirst().content().contains("precious"));
        assertFails(ErrorCode.SR_UNAVAILABLE, () -> attach().close());
    }

    @Test
    void mountThatADeadDaemonLeftIsTakenOver() throws IOException {
        driver.create(identity, config(), context());
        Path point = parent.resolve("mnt").resolve(identity.uuid().toString());
        Files.createDirectories(point);
        ExtVolume.of(HostDevice.of(device.node()))
                .with(node -> LoopDevice.run("mount", node.node().toString(), point.toString()));
        try (AttachedSr sr = attach()) {
            sr.check();
        }
        assertEquals(List.of(), device.mounts());
        assertEquals(List.of(), HostDevice.of(device.node()).loops());
    }

    @Test
    void mountElsewhereIsToldAndNotTakenEvenByForce() throws IOException {
        driver.create(identity, config(), context());
        Path elsewhere = Files.createDirectory(parent.resolve("elsewhere"));
        ExtVolume.of(HostDevice.of(device.node()))
                .with(
                        node ->
                                LoopDevice.run(
                                        "mount", node.node().toString(), elsewhere.toString()));
        DeviceConfig forced =
                new DeviceConfig(Map.of("device", device.node().toString(), "force", "true"));
        for (StorageException failure :
                List.of(
                        assertFails(ErrorCode.DEVICE_IN_USE, () -> attach().close()),
                        assertFails(
                                ErrorCode.DEVICE_IN_USE,
                                () -> driver.create(identity, forced, context())))) {
            assertTrue(failure.sentence().contains(elsewhere.toString()), failure.sentence());
        }
    }

    @Test
    void fileSystemThatWasShutDownIsMountedAgain() {
        driver.create(identity, config(), context());
        try (AttachedSr sr = attach()) {
            LoopDevice.shutDown(parent.resolve("mnt").resolve(identity.uuid().toString()));
            assertTrue(sr.isLost());
            sr.check();
            assertFalse(sr.isLost());
        }
        assertEquals(List.of(), device.mounts());
    }

    /** The words of the message are a command that works. */
    @Test
    void damagedFileSystemIsReportedWithTheWayToRepairIt() {
        driver.create(identity, config(), context());
        ExtVolume volume = ExtVolume.of(HostDevice.of(device.node()));
        String place = device.node() + "?offset=" + volume.group().orElseThrow().offset();
        LoopDevice.run("debugfs", "-w", "-R", "ssv state 2", place);
        StorageException failure = assertFails(ErrorCode.SR_FILESYSTEM, () -> attach().close());
        assertTrue(failure.sentence().contains("e2fsck -f '" + place + "'"), failure.sentence());
        assertTrue(LoopDevice.tryRun("e2fsck", "-f", "-y", place).status() <= 1);
        attach().close();
    }
}
