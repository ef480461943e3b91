// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.file;

import dev.varve.sr.files.DirectorySr;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.ConfigKey;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.ProbeResult;
import dev.varve.sr.spi.SrCapability;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrDriver;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The repository type {@code file}: a directory of this host. A directory that the reference stack
 * made is attached as it is.
 */
public final class FileSrDriver implements SrDriver {
    private static final String LOCATION = "location";

    @Override
    public String type() {
        return "file";
    }

    @Override
    public String name() {
        return "Local directory";
    }

    @Override
    public String description() {
        return "Disks as thin VHD files in a directory of this host.";
    }

    @Override
    public Set<SrCapability> capabilities() {
        return Set.of(
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
    }

    @Override
    public List<ConfigKey> configuration() {
        return List.of(new ConfigKey(LOCATION, true, "the absolute path of the directory"));
    }

    @Override
    public ProbeResult probe(DeviceConfig config, SrContext context) {
        Path location = location(config);
        Optional<SrIdentity> found = DirectorySr.find(location);
        return new ProbeResult(
                found
                        .map(
                                identity ->
                                        new ProbeResult.Found(
                                                identity,
                                                Map.of(LOCATION, location.toString()),
                                                Optional.of(DirectorySr.space(location))))
                        .stream()
                        .toList());
    }

    @Override
    public void create(SrIdentity identity, DeviceConfig config, SrContext context) {
        DirectorySr.create(location(config), identity);
    }

    @Override
    public AttachedSr attach(SrIdentity identity, DeviceConfig config, SrContext context) {
        return DirectorySr.attach(location(config), identity, context);
    }

    @Override
    public void destroy(SrIdentity identity, DeviceConfig config, SrContext context) {
        DirectorySr.destroy(location(config), identity.uuid(), context);
    }

    private Path location(DeviceConfig config) {
        config.refuseUnknown(configuration());
        String text = config.require(LOCATION, ErrorCode.CONFIG_LOCATION_MISSING);
        try {
            Path path = Path.of(text);
            if (!path.isAbsolute()) {
                throw ErrorCode.SR_INVALID_ARGUMENT.because(
                        "device-config:location=" + text + " is not an absolute path");
            }
            return path.normalize();
        } catch (InvalidPathException e) {
            throw ErrorCode.SR_INVALID_ARGUMENT.because(
                    "device-config:location is not a path: " + e.getMessage(), e);
        }
    }
}
