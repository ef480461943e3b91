// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmohba;

import dev.varve.sr.driver.lvm.LvmSrDriver;
import dev.varve.sr.host.HostRoot;
import dev.varve.sr.host.ScsiDisk;
import dev.varve.sr.multipath.PathSettings;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrDriver;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.IoStatus;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.time.Clock;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * The only disk of a repository is unplugged under load and plugged in again, while the disk of
 * another repository is written all the time.
 */
final class LabUnplug {
    private static final int PAGES = 1024;
    private static final long VOLUME_BYTES = 16L << 20;
    private static final int HOLD_SECONDS = 3;
    private static final long IN_TIME_SECONDS = 30;

    private final VdiEngine engine;
    private final SrContext context;

    LabUnplug(VdiEngine engine, SrContext context) {
        this.engine = engine;
        this.context = context;
    }

    /** A repository that is attached, with a volume that is written. */
    private final class Written {
        private final AttachedSr sr;
        private final VolumeId id = new VolumeId(VolumeKind.RAW, UUID.randomUUID());
        private OpenVolume volume;
        private LabLoad load;

        Written(SrDriver driver, SrIdentity identity, DeviceConfig config) {
            sr = driver.attach(identity, config, context);
        }

        void create() throws Exception {
            sr.volumes().commit(List.of(new VolumeChange.Create(id, VOLUME_BYTES, Map.of())));
            start();
        }

        void start() throws Exception {
            volume = engine.open(sr.volumes().open(id, true), true);
            load = new LabLoad(engine.lanes().getFirst(), volume.device(), PAGES);
            load.start();
            LabGuest.awaitProgress(load);
        }

        void end(IoStatus expected) {
            LabGuest.requireEqual(expected, load.stop());
            if (expected == IoStatus.OK) {
                BlockAccess bytes = volume.access(Operation.unbounded("lab", Clock.system()));
                LabGuest.requireEqual(-1, load.firstWrong(at -> bytes.read(at, 4096)));
            }
            volume.close();
        }

        boolean isAway() {
            try {
                sr.check();
                return false;
            } catch (StorageException e) {
                LabGuest.requireEqual(ErrorCode.SR_UNAVAILABLE, e.code());
                return true;
            }
        }
    }

    private static SrIdentity identity(String label) {
        return new SrIdentity(UUID.randomUUID(), label, "", Map.of());
    }

    private static void unplug(ScsiDisk disk) throws IOException {
        Files.writeString(Path.of("/sys/class/block", disk.name(), "device/delete"), "1");
    }

    private static void plugIn(ScsiDisk disk) throws Exception {
        Files.writeString(
                Path.of("/sys/class/scsi_host", "host" + disk.address().host(), "scan"), "- - -");
        LabGuest.run("udevadm", "settle", "--timeout=60");
    }

    // ---- lvmohba

    /** Longer away than requests are held, then shorter. */
    void ofAnAdapter() throws Exception {
        LabTarget target = new LabTarget("unplugged", "5555666677778888", 256);
        LabTarget neighbour = new LabTarget("neighbour", "9999000011112222", 256);
        target.addPath();
        neighbour.addPath();
        SrDriver driver =
                new LvmOverHbaSrDriver(HostRoot.system(), new PathSettings(HOLD_SECONDS, 1));
        SrDriver patient = new LvmOverHbaSrDriver(HostRoot.system(), new PathSettings(60, 1));
        SrIdentity identity = identity("unplugged");
        DeviceConfig config = new DeviceConfig(Map.of("SCSIid", target.scsiId()));
        SrIdentity other = identity("neighbour");
        DeviceConfig otherConfig = new DeviceConfig(Map.of("SCSIid", neighbour.scsiId()));
        driver.create(identity, config, context);
        driver.create(other, otherConfig, context);
        Written stays = new Written(driver, other, otherConfig);
        stays.create();
        Written goes = new Written(driver, identity, config);
        goes.create();
        failsAndHeals(target, goes, stays);
        goes.sr.close();
        Written waits = new Written(patient, identity, config);
        waits.create();
        isNotNoticed(target, waits, stays);
        waits.sr.close();
        stays.end(IoStatus.OK);
        stays.sr.close();
    }

    private void failsAndHeals(LabTarget target, Written goes, Written stays) throws Exception {
        ScsiDisk disk = target.paths().getFirst();
        unplug(disk);
        awaitFailure(goes);
        LabGuest.awaitProgress(stays.load);
        LabGuest.require(goes.isAway(), "the repository is well without its disk");
        goes.end(IoStatus.IO_ERROR);
        plugIn(disk);
        LabGuest.await("the disk is back", () -> !goes.isAway());
        goes.start();
        goes.sr.volumes().commit(List.of(create()));
        LabGuest.awaitProgress(goes.load);
        goes.end(IoStatus.OK);
    }

    private void isNotNoticed(LabTarget target, Written waits, Written stays) throws Exception {
        ScsiDisk disk = target.paths().getFirst();
        unplug(disk);
        LabGuest.await("the path is given up", () -> !waits.sr.paths().getFirst().healthy());
        LabGuest.awaitProgress(stays.load);
        plugIn(disk);
        LabGuest.await("writes go on", () -> waits.load.failure() != IoStatus.OK || healthy(waits));
        LabGuest.awaitProgress(waits.load);
        waits.end(IoStatus.OK);
    }

    private static boolean healthy(Written written) {
        return written.sr.paths().stream().anyMatch(path -> path.healthy());
    }

    private static VolumeChange create() {
        VolumeId id = new VolumeId(VolumeKind.RAW, UUID.randomUUID());
        return new VolumeChange.Create(id, 1L << 20, Map.of());
    }

    private static void awaitFailure(Written written) throws InterruptedException {
        long began = Clock.system().nanoTime();
        LabGuest.await("writes fail", () -> written.load.failure() != IoStatus.OK);
        long seconds = TimeUnit.NANOSECONDS.toSeconds(Clock.system().nanoTime() - began);
        LabGuest.require(seconds <= IN_TIME_SECONDS, "writes failed after " + seconds + " s");
        System.out.println("writes failed after " + seconds + " s");
    }

    // ---- lvm

    /** Volumes that were open have to be opened anew, and the repository with them. */
    void ofThisHost() throws Exception {
        LabTarget target = new LabTarget("local", "3333444455556666", 256);
        LabTarget neighbour = new LabTarget("beside", "7777888899990000", 256);
        target.addPath();
        neighbour.addPath();
        SrDriver driver = new LvmSrDriver();
        SrIdentity identity = identity("local");
        DeviceConfig config = device(target);
        SrIdentity other = identity("beside");
        driver.create(identity, config, context);
        driver.create(other, device(neighbour), context);
        Written stays = new Written(driver, other, device(neighbour));
        stays.create();
        Written goes = new Written(driver, identity, config);
        goes.create();
        ScsiDisk disk = target.paths().getFirst();
        unplug(disk);
        awaitFailure(goes);
        LabGuest.awaitProgress(stays.load);
        LabGuest.require(goes.isAway(), "the repository is well without its disk");
        goes.end(IoStatus.IO_ERROR);
        plugIn(disk);
        closeWithoutItsDisk(goes.sr);
        try (AttachedSr again = driver.attach(identity, config, context)) {
            LabGuest.require(again.volumes().find(goes.id).isPresent(), "the volume is gone");
            again.check();
        }
        Written anew = new Written(driver, identity, config);
        anew.create();
        anew.end(IoStatus.OK);
        anew.sr.close();
        stays.end(IoStatus.OK);
        stays.sr.close();
    }

    /** Its claims cannot be taken back any more, which it says; everything else is let go of. */
    private static void closeWithoutItsDisk(AttachedSr sr) {
        try {
            sr.close();
        } catch (StorageException e) {
            LabGuest.requireEqual(ErrorCode.SR_IO_ERROR, e.code());
        }
    }

    private static DeviceConfig device(LabTarget target) {
        return new DeviceConfig(Map.of("device", "/dev/disk/by-id/scsi-" + target.scsiId()));
    }
}
