// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvm;

import dev.varve.sr.block.FileMedium;
import dev.varve.sr.host.HostDevice;
import dev.varve.sr.host.Signature;
import dev.varve.sr.lvm.GroupDevice;
import dev.varve.sr.lvm.GroupDriver;
import dev.varve.sr.lvm.GroupOptions;
import dev.varve.sr.lvm.MediumContent;
import dev.varve.sr.spi.ConfigKey;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.ProbeResult;
import dev.varve.sr.spi.SrContext;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The repository type {@code lvm}: a volume group on a disk or a partition of this host.
 *
 * <p><b>Threads:</b> any.
 */
public final class LvmSrDriver extends GroupDriver {
    private static final String DEVICE = "device";

    /** The driver. */
    public LvmSrDriver() {}

    @Override
    public String type() {
        return "lvm";
    }

    @Override
    public String name() {
        return "Local LVM";
    }

    @Override
    public String description() {
        return "Disks as thin VHD images in a volume group on a disk or partition of this host.";
    }

    @Override
    public List<ConfigKey> configuration() {
        List<ConfigKey> keys = new ArrayList<>();
        keys.add(
                new ConfigKey(
                        DEVICE,
                        true,
                        "the absolute path of the disk or partition, best one in"
                                + " /dev/disk/by-id"));
        keys.addAll(GroupOptions.KEYS);
        return keys;
    }

    private static HostDevice device(DeviceConfig config) {
        String text = config.require(DEVICE, ErrorCode.CONFIG_DEVICE_MISSING);
        try {
            Path path = Path.of(text);
            if (!path.isAbsolute()) {
                throw ErrorCode.CONFIG_DEVICE_INVALID.because(
                        "device-config:device=%s is not the absolute path of one device, like /dev/disk/by-id/..."
                                .formatted(text));
            }
            return HostDevice.of(path);
        } catch (InvalidPathException e) {
            throw ErrorCode.CONFIG_DEVICE_INVALID.because(
                    "device-config:device is not a path: " + e.getMessage(), e);
        }
    }

    @Override
    protected void requireFree(DeviceConfig config) {
        HostDevice device = device(config);
        if (device.isReadOnly()) {
            throw ErrorCode.SR_NOT_WRITABLE.because(
                    "the device %s is read-only; see blockdev --getro %s"
                            .formatted(device.given(), device.given()));
        }
        device.requireUnused();
    }

    /** A mount, a RAID or a mapped group on the device would not know what is written. */
    @Override
    protected GroupDevice open(DeviceConfig config, SrContext context, boolean writable) {
        HostDevice device = device(config);
        device.requireUnused();
        return LocalDisk.open(device, writable);
    }

    // ---- looking

    @Override
    public ProbeResult probe(DeviceConfig config, SrContext context) {
        config.refuseUnknown(configuration());
        GroupOptions.of(config);
        if (config.get(DEVICE).isEmpty()) {
            return new ProbeResult(List.of(), candidates());
        }
        HostDevice device = device(config);
        try (LocalDisk disk = new LocalDisk(device, readOnly(device))) {
            ProbeResult found = look(disk, config);
            return found.repositories().isEmpty()
                    ? new ProbeResult(List.of(), List.of(describe(device)))
                    : found;
        }
    }

    private static FileMedium readOnly(HostDevice device) {
        return FileMedium.open(device.node(), device.blockBytes(), false);
    }

    /** The devices that are large enough and that nobody uses, whatever is on them. */
    private static List<ProbeResult.Device> candidates() {
        List<ProbeResult.Device> candidates = new ArrayList<>();
        for (HostDevice device : HostDevice.all()) {
            if (isSuitable(device)) {
                candidates.add(describe(device));
            }
        }
        return candidates;
    }

    private static boolean isSuitable(HostDevice device) {
        if (device.sizeBytes() < MINIMUM_BYTES || device.isReadOnly()) {
            return false;
        }
        try {
            device.requireUnused();
            return true;
        } catch (StorageException e) {
            // Whatever hinders its use, it is not one to choose.
            return false;
        }
    }

    private static ProbeResult.Device describe(HostDevice device) {
        try (FileMedium medium = readOnly(device)) {
            return new ProbeResult.Device(
                    device.given().toString(),
                    device.sizeBytes(),
                    device.property("vendor"),
                    device.property("model"),
                    device.property("serial"),
                    Signature.describe(MediumContent.of(medium)));
        }
    }
}
