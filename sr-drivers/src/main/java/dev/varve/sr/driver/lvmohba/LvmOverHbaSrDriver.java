// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.lvmohba;

import dev.varve.sr.host.HostRoot;
import dev.varve.sr.host.ScsiLun;
import dev.varve.sr.lvm.GroupDevice;
import dev.varve.sr.lvm.GroupDriver;
import dev.varve.sr.lvm.GroupOptions;
import dev.varve.sr.multipath.MultipathMedium;
import dev.varve.sr.multipath.PathSettings;
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
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The repository type {@code lvmohba}: a volume group on a LUN that adapters of this host reach,
 * named by its SCSIid, over all paths that there are.
 *
 * <p><b>Threads:</b> any.
 */
public final class LvmOverHbaSrDriver extends GroupDriver {
    private static final String SCSI_ID = "SCSIid";
    private static final String DEVICE = "device";
    private static final String HOLD = "hold-seconds";
    private static final int MOST_DIGITS = 6;

    private final HbaLuns luns;
    private final PathSettings usual;

    /** The driver for this host. */
    public LvmOverHbaSrDriver() {
        this(HostRoot.system(), PathSettings.usual());
    }

    /**
     * The driver for a host that shows itself elsewhere.
     *
     * @param usual how patient it is where the configuration does not tell
     */
    LvmOverHbaSrDriver(HostRoot root, PathSettings usual) {
        this.luns = new HbaLuns(root);
        this.usual = usual;
    }

    @Override
    public String type() {
        return "lvmohba";
    }

    @Override
    public String name() {
        return "LVM over HBA";
    }

    @Override
    public String description() {
        return "Disks as thin VHD images in a volume group on a LUN behind adapters of this host.";
    }

    @Override
    public List<ConfigKey> configuration() {
        List<ConfigKey> keys = new ArrayList<>();
        keys.add(
                new ConfigKey(
                        SCSI_ID,
                        true,
                        "the name of the LUN as scsi_id prints it; sr-probe without it lists all"
                                + " LUNs"));
        keys.add(
                new ConfigKey(
                        DEVICE,
                        false,
                        "the path of a device of the LUN, as older configurations have it in place"
                                + " of SCSIid"));
        keys.add(
                new ConfigKey(
                        HOLD,
                        false,
                        "how many seconds requests wait when no path is left before they fail; 0 as"
                                + " long as it takes; "
                                + PathSettings.HOLD_SECONDS
                                + " without it"));
        keys.addAll(GroupOptions.KEYS);
        return keys;
    }

    // ---- configuration

    private PathSettings settings(DeviceConfig config) {
        Optional<String> text = config.get(HOLD);
        if (text.isEmpty()) {
            return usual;
        }
        if (!text.get().matches("[0-9]{1," + MOST_DIGITS + "}")) {
            throw ErrorCode.SR_INVALID_ARGUMENT.because(
                    "device-config:%s=%s is not a number of seconds".formatted(HOLD, text.get()));
        }
        return new PathSettings(Long.parseLong(text.get()), usual.checkSeconds());
    }

    private String scsiId(DeviceConfig config) {
        Optional<String> named = config.get(SCSI_ID);
        if (named.isPresent()) {
            return named.get();
        }
        String device = config.get(DEVICE).orElseThrow(this::missing);
        return luns.scsiIdOf(path(device))
                .orElseThrow(
                        () ->
                                ErrorCode.CONFIG_DEVICE_INVALID.because(
                                        "device-config:device=%s is no device of a LUN; give SCSIid, which sr-probe lists"
                                                .formatted(device)));
    }

    private static Path path(String text) {
        try {
            return Path.of(text);
        } catch (InvalidPathException e) {
            throw ErrorCode.CONFIG_DEVICE_INVALID.because(
                    "device-config:device is not a path: " + e.getMessage(), e);
        }
    }

    private StorageException missing() {
        return ErrorCode.CONFIG_SCSI_ID_MISSING.documented(
                "the device configuration lacks the key SCSIid; choose one of the LUNs that"
                        + " adapters of this host reach",
                luns.document());
    }

    // ---- looking, opening

    /** Without a SCSIid it fails, and tells what there is to choose from. */
    @Override
    public ProbeResult probe(DeviceConfig config, SrContext context) {
        config.refuseUnknown(configuration());
        GroupOptions.of(config);
        try (HbaLun lun = choose(config, context, false)) {
            Map<String, String> chosen = new TreeMap<>(config.values());
            chosen.remove(DEVICE);
            chosen.put(SCSI_ID, lun.scsiId());
            return look(lun, new DeviceConfig(chosen));
        }
    }

    @Override
    protected void requireFree(DeviceConfig config) {
        ScsiLun lun = luns.require(scsiId(config));
        if (lun.disks().stream().anyMatch(disk -> disk.readOnly())) {
            throw ErrorCode.SR_NOT_WRITABLE.because(
                    "the LUN %s (%s) is read-only".formatted(lun.scsiId(), lun.path()));
        }
    }

    @Override
    protected GroupDevice open(DeviceConfig config, SrContext context, boolean writable) {
        return choose(config, context, writable);
    }

    private HbaLun choose(DeviceConfig config, SrContext context, boolean writable) {
        PathSettings settings = settings(config);
        ScsiLun lun = luns.require(scsiId(config));
        boolean may = writable || lun.disks().stream().noneMatch(disk -> disk.readOnly());
        MultipathMedium medium = luns.open(lun.scsiId(), may, settings, context);
        return new HbaLun(luns, lun.scsiId(), lun.path().toString(), medium);
    }
}
