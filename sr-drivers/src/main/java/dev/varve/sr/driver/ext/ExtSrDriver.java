// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.driver.ext;

import dev.varve.sr.block.FileMedium;
import dev.varve.sr.files.DirectorySr;
import dev.varve.sr.host.HostDevice;
import dev.varve.sr.host.MountTable;
import dev.varve.sr.host.Signature;
import dev.varve.sr.lvm.MediumContent;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.ConfigKey;
import dev.varve.sr.spi.DeviceConfig;
import dev.varve.sr.spi.ProbeResult;
import dev.varve.sr.spi.SrCapability;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrDriver;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.StoreSpace;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Supplier;

/**
 * The repository type {@code ext}: a disk or a partition with an ext4 file system of its own, which
 * holds what a repository of type {@code file} holds. The file system lies in a volume group as the
 * reference stack makes it, see {@link ExtVolume}, or on the device itself. Its UUID is that of the
 * repository where it was made here.
 *
 * <p><b>Durability:</b> a crash while one is made leaves a file system without a repository, which
 * {@code force} makes anew; a crash while one is removed leaves one that can be removed again.
 */
public final class ExtSrDriver implements SrDriver {
    /** Below this a file system of this kind is mostly journal. */
    static final long MINIMUM_BYTES = 256L << 20;

    private static final String DEVICE = "device";
    private static final String FORCE = "force";

    /** How new repositories are laid out; those that are there are taken as they are. */
    enum Layout {
        /** In a volume group, as the reference stack has them. */
        GROUP,
        /** On the device itself, as earlier releases made them. */
        BARE
    }

    private final boolean root;
    private final Layout layout;

    /** The driver for the user that this process runs as. */
    public ExtSrDriver() {
        this("root".equals(System.getProperty("user.name")), Layout.GROUP);
    }

    ExtSrDriver(boolean root, Layout layout) {
        this.root = root;
        this.layout = layout;
    }

    @Override
    public String type() {
        return "ext";
    }

    @Override
    public String name() {
        return "Local ext4";
    }

    @Override
    public String description() {
        return "Disks as thin VHD files in an ext4 file system on a disk or partition of this"
                + " host.";
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
        return List.of(
                new ConfigKey(
                        DEVICE,
                        true,
                        "the absolute path of the disk or partition, best one in /dev/disk/by-id"),
                new ConfigKey(
                        FORCE,
                        false,
                        "true: make the repository even where the device holds something, which"
                                + " is lost; only looked at when the repository is made"));
    }

    // ---- configuration

    private Path path(DeviceConfig config) {
        String text = config.require(DEVICE, ErrorCode.CONFIG_DEVICE_MISSING);
        try {
            Path path = Path.of(text);
            if (!path.isAbsolute()) {
                throw ErrorCode.CONFIG_DEVICE_INVALID.because(
                        "device-config:device="
                                + text
                                + " is not the absolute path of one device, like"
                                + " /dev/disk/by-id/...");
            }
            return path;
        } catch (InvalidPathException e) {
            throw ErrorCode.CONFIG_DEVICE_INVALID.because(
                    "device-config:device is not a path: " + e.getMessage(), e);
        }
    }

    private static boolean isForced(DeviceConfig config) {
        String text = config.get(FORCE).orElse("false");
        return switch (text) {
            case "true" -> true;
            case "false" -> false;
            default ->
                    throw ErrorCode.SR_INVALID_ARGUMENT.because(
                            "device-config:force=" + text + " is neither true nor false");
        };
    }

    private void requireRoot() {
        if (!root) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "repositories of type ext are mounted, which only root may do: start the daemon"
                            + " as root, or use type file with a directory");
        }
    }

    private ExtMount mount(SrIdentity identity, DeviceConfig config, SrContext context) {
        config.refuseUnknown(configuration());
        Path path = path(config);
        isForced(config);
        requireRoot();
        return ExtMount.of(context.home(), identity.uuid(), path);
    }

    // ---- looking

    @Override
    public ProbeResult probe(DeviceConfig config, SrContext context) {
        config.refuseUnknown(configuration());
        requireRoot();
        if (config.get(DEVICE).isEmpty()) {
            return new ProbeResult(List.of(), candidates());
        }
        HostDevice device = HostDevice.of(path(config));
        List<Signature> content = content(device);
        boolean possible =
                content.stream()
                        .map(Signature::type)
                        .anyMatch(
                                type ->
                                        type.equals(Ext4.TYPE)
                                                || type.equals(MediumContent.MEMBER));
        Optional<ProbeResult.Found> found = possible ? find(device) : Optional.empty();
        return found.map(repository -> new ProbeResult(List.of(repository)))
                .orElseGet(() -> new ProbeResult(List.of(), List.of(describe(device, content))));
    }

    /** A volume group of another kind is other content, and no error of a look. */
    private static Optional<ProbeResult.Found> find(HostDevice device) {
        ExtVolume volume;
        try {
            volume = ExtVolume.of(device);
        } catch (StorageException e) {
            if (e.code() != ErrorCode.SR_UNAVAILABLE) {
                throw e;
            }
            return Optional.empty();
        }
        return found(volume);
    }

    private static Optional<ProbeResult.Found> found(ExtVolume volume) {
        List<MountTable.Mount> mounts = volume.mounts();
        return mounts.isEmpty()
                ? volume.with(
                        node ->
                                found(
                                        volume,
                                        identity(volume, Ext4.identity(node)),
                                        () -> Ext4.Superblock.read(node).space()))
                : found(
                        volume,
                        identity(volume, DirectorySr.find(mounts.getFirst().point())),
                        () -> DirectorySr.space(mounts.getFirst().point()));
    }

    /** The reference stack keeps no more of a repository with its data than its UUID. */
    private static Optional<SrIdentity> identity(ExtVolume volume, Optional<SrIdentity> kept) {
        return kept.or(
                () -> volume.group().map(group -> new SrIdentity(group.sr(), "", "", Map.of())));
    }

    private static Optional<ProbeResult.Found> found(
            ExtVolume volume, Optional<SrIdentity> identity, Supplier<StoreSpace> space) {
        String path = volume.device().given().toString();
        return identity.map(
                repository ->
                        new ProbeResult.Found(
                                repository,
                                Map.of(DEVICE, path),
                                Optional.of(space.get()),
                                List.of(path)));
    }

    /** The devices that are large enough and that nobody uses, whatever is on them. */
    private static List<ProbeResult.Device> candidates() {
        List<ProbeResult.Device> candidates = new ArrayList<>();
        for (HostDevice device : HostDevice.all()) {
            if (device.sizeBytes() >= MINIMUM_BYTES && !device.isReadOnly() && isFree(device)) {
                candidates.add(describe(device, content(device)));
            }
        }
        return candidates;
    }

    /** What this program recognises on a device, or else {@code blkid}. */
    private static List<Signature> content(HostDevice device) {
        try (FileMedium medium = FileMedium.open(device.node(), device.blockBytes(), false)) {
            List<Signature> known = MediumContent.of(medium);
            return known.isEmpty() ? Signature.of(device).stream().toList() : known;
        }
    }

    private static boolean isFree(HostDevice device) {
        try {
            device.requireUnused();
            return true;
        } catch (StorageException e) {
            // Whatever hinders its use, it is not one to choose.
            return false;
        }
    }

    private static ProbeResult.Device describe(HostDevice device, List<Signature> content) {
        return new ProbeResult.Device(
                device.given().toString(),
                device.sizeBytes(),
                device.property("vendor"),
                device.property("model"),
                device.property("serial"),
                Signature.describe(content));
    }

    // ---- making

    @Override
    public void create(SrIdentity identity, DeviceConfig config, SrContext context) {
        ExtMount mount = mount(identity, config, context);
        HostDevice device = suitable(mount.path());
        if (!isForced(config)) {
            List<Signature> content = content(device);
            if (!content.isEmpty()) {
                throw ErrorCode.SR_EXISTS.because(occupied(device, content));
            }
        }
        try {
            make(device, identity.uuid(), context);
            mount.mount();
            DirectorySr.create(mount.point(), identity);
            mount.unmount();
        } catch (StorageException e) {
            undo(mount, device, e);
            throw e;
        }
    }

    private void make(HostDevice device, UUID uuid, SrContext context) {
        Ext4.wipe(device);
        ExtVolume volume =
                layout == Layout.GROUP
                        ? ExtVolume.make(device, uuid, context)
                        : ExtVolume.bare(device);
        volume.with(
                node -> {
                    Ext4.make(node, uuid);
                    return true;
                });
    }

    private static HostDevice suitable(Path path) {
        HostDevice device = HostDevice.of(path);
        if (device.sizeBytes() < MINIMUM_BYTES) {
            throw ErrorCode.CONFIG_DEVICE_INVALID.because(
                    "the device %s has %d MiB, which is too little; it takes at least %d MiB"
                            .formatted(path, device.sizeBytes() >> 20, MINIMUM_BYTES >> 20));
        }
        if (device.isReadOnly()) {
            throw ErrorCode.SR_NOT_WRITABLE.because(
                    "the device " + path + " is read-only; see blockdev --getro " + path);
        }
        device.requireUnused();
        return device;
    }

    private static String occupied(HostDevice device, List<Signature> content) {
        return ("the device %s is not empty: it holds %s; introduce the repository that is there"
                        + " (sr-probe shows it), or give device-config:force=true to lose what is"
                        + " there")
                .formatted(device.given(), Signature.describe(content));
    }

    private static void undo(ExtMount mount, HostDevice device, StorageException failure) {
        try {
            mount.unmount();
            Ext4.wipe(device);
        } catch (StorageException e) {
            failure.addSuppressed(e);
        }
    }

    // ---- attaching

    @Override
    public AttachedSr attach(SrIdentity identity, DeviceConfig config, SrContext context) {
        ExtMount mount = mount(identity, config, context);
        requireRepository(mount.path(), identity.uuid());
        mount.mount();
        try {
            if (isOfReference(mount.path())) {
                DirectorySr.adopt(mount.point(), identity);
            }
            return new ExtSr(mount, DirectorySr.attach(mount.point(), identity, context));
        } catch (StorageException e) {
            unmountAfter(mount, e);
            throw e;
        }
    }

    /** The name of its group says which repository it is, even while it holds no disks. */
    private static boolean isOfReference(Path path) {
        return ExtVolume.of(HostDevice.of(path)).group().isPresent();
    }

    /** Another repository's device is told before it is mounted, which would write to it. */
    private static void requireRepository(Path path, UUID uuid) {
        HostDevice device = HostDevice.of(path);
        Optional<Signature> content = Signature.of(device);
        boolean other =
                content.isPresent()
                        && content.get().type().equals(Ext4.TYPE)
                        && !content.get().uuid().equals(uuid.toString());
        ExtVolume volume = ExtVolume.of(device);
        if (other || volume.group().filter(group -> !group.sr().equals(uuid)).isPresent()) {
            found(volume)
                    .map(ProbeResult.Found::identity)
                    .filter(found -> !found.uuid().equals(uuid))
                    .ifPresent(
                            found -> {
                                throw ErrorCode.SR_UNAVAILABLE.because(
                                        "the device %s holds the repository %s (%s), not %s; is it the right one?"
                                                .formatted(
                                                        path, found.uuid(), found.label(), uuid));
                            });
        }
    }

    private static void unmountAfter(ExtMount mount, StorageException failure) {
        try {
            mount.unmount();
        } catch (StorageException e) {
            failure.addSuppressed(e);
        }
    }

    // ---- removing

    @Override
    public void destroy(SrIdentity identity, DeviceConfig config, SrContext context) {
        ExtMount mount = mount(identity, config, context);
        requireRepository(mount.path(), identity.uuid());
        mount.mount();
        try {
            List<String> foreign = DirectorySr.foreign(mount.point());
            if (!foreign.isEmpty()) {
                throw ErrorCode.SR_NOT_EMPTY_BACKEND.because(
                        "the file system on %s also holds %s, which is not the repository's; move it away first"
                                .formatted(mount.path(), foreign.getFirst()));
            }
            if (!isRemoved(mount, identity.uuid())) {
                DirectorySr.destroy(mount.point(), identity.uuid(), context);
            }
        } catch (StorageException e) {
            unmountAfter(mount, e);
            throw e;
        }
        if (!mount.unmount()) {
            throw ErrorCode.SR_IN_USE.because(
                    "the repository on " + mount.path() + " is attached; detach it first");
        }
        ExtVolume volume = ExtVolume.of(HostDevice.of(mount.path()));
        if (volume.group().isPresent()) {
            volume.with(
                    node -> {
                        Ext4.wipe(node);
                        return true;
                    });
        }
        Ext4.wipe(volume.device());
    }

    /** Whether an earlier attempt came as far as the file system itself. */
    private static boolean isRemoved(ExtMount mount, UUID uuid) {
        return DirectorySr.find(mount.point()).isEmpty()
                && ExtVolume.of(HostDevice.of(mount.path()))
                        .with(Signature::of)
                        .filter(
                                content ->
                                        content.uuid().equals(uuid.toString())
                                                && content.label().equals(Ext4.LABEL))
                        .isPresent()
                && DirectorySr.isEmpty(mount.point());
    }
}
