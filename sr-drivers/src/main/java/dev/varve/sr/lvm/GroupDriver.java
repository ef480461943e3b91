// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.host.Signature;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.ProbeResult;
import dev.varve.sr.spi.SrCapability;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrDriver;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * What the drivers of repositories in volume groups have in common. Each says how its device is
 * found and opened; what lies on the device is the same for all.
 *
 * <p><b>Threads:</b> any; calls may block on the device.
 *
 * <p><b>Durability:</b> a crash while a repository is made leaves something that is recognised and
 * that {@code force} makes anew; a crash while one is removed leaves one that can be removed again.
 */
public abstract class GroupDriver implements SrDriver {
    /** Below this the metadata would take more than the disks. */
    protected static final long MINIMUM_BYTES = 128L << 20;

    private static final Set<SrCapability> CAPABILITIES =
            Set.of(
                    SrCapability.SR_PROBE,
                    SrCapability.SR_UPDATE,
                    SrCapability.VDI_CREATE,
                    SrCapability.VDI_DELETE,
                    SrCapability.VDI_ATTACH,
                    SrCapability.VDI_DETACH,
                    SrCapability.VDI_ACTIVATE,
                    SrCapability.VDI_DEACTIVATE,
                    SrCapability.VDI_UPDATE,
                    SrCapability.VDI_RESIZE,
                    SrCapability.VDI_RESIZE_ONLINE,
                    SrCapability.VDI_CLONE,
                    SrCapability.VDI_SNAPSHOT,
                    SrCapability.VDI_REVERT,
                    SrCapability.VDI_CONFIG_CBT,
                    SrCapability.THIN_PROVISIONING);

    /** For drivers. */
    protected GroupDriver() {}

    /**
     * Opens the device that a configuration names.
     *
     * @param writable whether it has to be; otherwise it may be
     */
    protected abstract GroupDevice open(DeviceConfig config, SrContext context, boolean writable);

    /**
     * Refuses a device on which no repository must be made, whatever lies on it: one that somebody
     * uses.
     */
    protected void requireFree(DeviceConfig config) {}

    @Override
    public Set<SrCapability> capabilities() {
        return CAPABILITIES;
    }

    // ---- looking

    /** The repository on a device, or else the device with what is on it. */
    protected static ProbeResult look(GroupDevice device, DeviceConfig chosen) {
        Optional<SrIdentity> found = LvmSr.find(device.medium());
        if (found.isEmpty()) {
            return new ProbeResult(List.of(), List.of(describe(device)));
        }
        return new ProbeResult(
                List.of(
                        new ProbeResult.Found(
                                found.get(),
                                chosen.values(),
                                LvmSr.space(device.medium()),
                                List.of(device.place()))));
    }

    private static ProbeResult.Device describe(GroupDevice device) {
        return new ProbeResult.Device(
                device.place(),
                device.medium().sizeBytes(),
                "",
                "",
                "",
                Signature.describe(MediumContent.of(device.medium())));
    }

    // ---- making

    @Override
    public void create(SrIdentity identity, DeviceConfig config, SrContext context) {
        config.refuseUnknown(configuration());
        GroupOptions options = GroupOptions.of(config);
        requireFree(config);
        try (GroupDevice device = open(config, context, true)) {
            BlockMedium medium = device.medium();
            requireSuitable(medium);
            if (!options.force()) {
                requireEmpty(medium);
            }
            NewRepository.make(device, identity, options, context);
        }
    }

    private static void requireSuitable(BlockMedium medium) {
        if (!medium.isWritable()) {
            throw ErrorCode.SR_NOT_WRITABLE.because(medium.name() + " is read-only");
        }
        if (medium.sizeBytes() < MINIMUM_BYTES) {
            throw ErrorCode.CONFIG_DEVICE_INVALID.because(
                    "%s has %d MiB, which is too little; it takes at least %d MiB"
                            .formatted(
                                    medium.name(), medium.sizeBytes() >> 20, MINIMUM_BYTES >> 20));
        }
    }

    private static void requireEmpty(BlockMedium medium) {
        List<Signature> content = MediumContent.of(medium);
        if (!content.isEmpty()) {
            throw ErrorCode.SR_EXISTS.because(
                    "%s is not empty: it holds %s; introduce the repository that is there (sr-probe shows it), or give device-config:force=true to lose what is there"
                            .formatted(medium.name(), Signature.describe(content)));
        }
    }

    // ---- attaching and removing

    @Override
    public AttachedSr attach(SrIdentity identity, DeviceConfig config, SrContext context) {
        config.refuseUnknown(configuration());
        GroupOptions.of(config);
        GroupDevice device = open(config, context, false);
        try {
            return LvmSr.attach(device, identity, context);
        } catch (StorageException e) {
            closeAfter(device, e);
            throw e;
        }
    }

    private static void closeAfter(GroupDevice device, StorageException failure) {
        try {
            device.close();
        } catch (StorageException e) {
            failure.addSuppressed(e);
        }
    }

    @Override
    public void destroy(SrIdentity identity, DeviceConfig config, SrContext context) {
        config.refuseUnknown(configuration());
        GroupOptions.of(config);
        try (GroupDevice device = open(config, context, true)) {
            GroupRemoval.remove(device, identity.uuid(), context);
        }
    }
}
