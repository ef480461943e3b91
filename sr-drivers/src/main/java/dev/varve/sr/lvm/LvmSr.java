// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.sr.spi.AttachedSr;
import dev.varve.sr.spi.Claims;
import dev.varve.sr.spi.PathHealth;
import dev.varve.sr.spi.SrContext;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.VolumeStore;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;

/**
 * A repository in a volume group: what it takes to find, attach and remove one, whatever device the
 * group lies on.
 *
 * <p><b>Threads:</b> any.
 */
public final class LvmSr implements AttachedSr {
    private static final String ALLOCATION = "allocation";
    private static final String THICK = "thick";

    private final GroupDevice device;
    private final GroupHold hold;
    private final LvmVolumeStore store;

    private LvmSr(GroupDevice device, GroupHold hold, LvmVolumeStore store) {
        this.device = device;
        this.hold = hold;
        this.store = store;
    }

    // ---- looking

    /** The repository on a device; nothing when there is none. Nothing is written. */
    public static Optional<SrIdentity> find(BlockMedium medium) {
        return metadata(medium)
                .filter(metadata -> VolumeNames.repository(metadata.group().name()).isPresent())
                .map(metadata -> peek(medium, metadata).identity());
    }

    /** The room in the repository on a device; nothing when there is none. Nothing is written. */
    public static Optional<StoreSpace> space(BlockMedium medium) {
        return metadata(medium).map(metadata -> peek(medium, metadata).space());
    }

    private static Optional<GroupMetadata> metadata(BlockMedium medium) {
        try {
            return Optional.of(GroupMetadata.open(medium));
        } catch (StorageException e) {
            if (e.code() == ErrorCode.LVM_NO_VOLUME_GROUP) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** A store that only looks; it is not closed, because it holds nothing. */
    private static LvmVolumeStore peek(BlockMedium medium, GroupMetadata metadata) {
        return new LvmVolumeStore(
                new LvmAccess(
                        medium,
                        metadata,
                        GroupOwner.alone(),
                        LvmStoreSettings.DEFAULT,
                        Runnable::run,
                        SrContext.NO_POOL));
    }

    // ---- attaching

    /** Makes the volumes of a repository usable; the device is closed with it. */
    static LvmSr attach(GroupDevice device, SrIdentity given, SrContext context) {
        FencedMedium medium = new FencedMedium(device.medium());
        GroupMetadata metadata =
                metadata(medium).orElseThrow(() -> noRepository(medium, given.uuid()));
        requireRepository(medium, metadata, given.uuid());
        GroupHold hold = GroupHold.take(device, metadata, given.uuid(), context);
        hold.fence().ifPresent(medium::guard);
        try {
            PoolTag.ensure(device, metadata, hold.owner(), context.pool());
            LvmVolumeStore store =
                    new LvmVolumeStore(
                            new LvmAccess(
                                    medium,
                                    metadata,
                                    hold.owner(),
                                    LvmStoreSettings.DEFAULT,
                                    context.blocking(),
                                    context.host()));
            store.recover();
            adopt(store, given);
            return new LvmSr(device, hold, store);
        } catch (StorageException e) {
            closeAfter(hold, e);
            throw e;
        }
    }

    private static void closeAfter(GroupHold hold, StorageException failure) {
        try {
            hold.close();
        } catch (StorageException e) {
            failure.addSuppressed(e);
        }
    }

    /** The reference stack may keep no name with the data; then what the caller knows is kept. */
    private static void adopt(LvmVolumeStore store, SrIdentity given) {
        SrIdentity nothing = new SrIdentity(given.uuid(), "", "", Map.of());
        boolean unknown = store.identity().equals(nothing) && !given.equals(nothing);
        if (unknown && store.readOnlyReason().isEmpty()) {
            store.setIdentity(given);
        }
    }

    private static StorageException noRepository(BlockMedium medium, UUID sr) {
        return ErrorCode.SR_UNAVAILABLE.because(
                "%s holds no volume group, and so not the repository %s; is it the right one?"
                        .formatted(medium.name(), sr));
    }

    /** Tells what is there instead of a repository. */
    static void requireRepository(BlockMedium medium, GroupMetadata metadata, UUID sr) {
        String name = metadata.group().name();
        Optional<UUID> found = VolumeNames.repository(name);
        if (!found.equals(Optional.of(sr))) {
            throw ErrorCode.SR_UNAVAILABLE.because(
                    "%s holds %s, not the repository %s; is it the right one?"
                            .formatted(
                                    medium.name(),
                                    found.map(uuid -> "the repository " + uuid)
                                            .orElse("the volume group " + name),
                                    sr));
        }
    }

    // ---- while it is attached

    @Override
    public SrIdentity identity() {
        return store.identity();
    }

    @Override
    public VolumeStore volumes() {
        return store;
    }

    @Override
    public Claims claims() {
        return hold.claims();
    }

    /** What was found damaged, for a person. */
    public List<String> problems() {
        return store.problems();
    }

    /** How disks take their room is not changed by changing a name. */
    @Override
    public void update(SrIdentity changed) {
        SrIdentity present = store.identity();
        if (!changed.uuid().equals(present.uuid())) {
            throw new IllegalArgumentException("a repository keeps its UUID");
        }
        Map<String, String> config = new TreeMap<>(changed.smConfig());
        Optional.ofNullable(present.smConfig().get(ALLOCATION))
                .ifPresent(allocation -> config.put(ALLOCATION, allocation));
        store.setIdentity(
                new SrIdentity(changed.uuid(), changed.label(), changed.description(), config));
    }

    @Override
    public void check() {
        device.check();
        hold.check();
        store.list();
        store.readOnlyReason()
                .ifPresent(
                        reason -> {
                            throw ErrorCode.SR_NOT_WRITABLE.because(reason);
                        });
    }

    /** The device has gone away, or another host has put this one out. */
    @Override
    public boolean isLost() {
        return hold.fence().filter(HostFence::isLost).isPresent() || device.isLost();
    }

    @Override
    public boolean needsAttaching() {
        return true;
    }

    @Override
    public Map<String, String> properties() {
        Map<String, String> properties = new TreeMap<>(device.properties());
        boolean thick = store.features().contains(StoreFeature.THICK);
        properties.put(ALLOCATION, thick ? THICK : "thin");
        properties.put("use_vhd", "true");
        return properties;
    }

    @Override
    public List<PathHealth> paths() {
        return device.paths();
    }

    @Override
    public Optional<List<String>> handback(List<Image> images) {
        List<ImageFact> facts =
                images.stream()
                        .map(
                                image ->
                                        new ImageFact(
                                                image.id(), image.virtualBytes(), image.parent()))
                        .toList();
        return Optional.of(store.handback(facts).stream().map(HandbackFinding::sentence).toList());
    }

    /** The volumes first, then what says that they are ours, then the device, whatever fails. */
    @Override
    public void close() {
        try (GroupDevice _ = device;
                GroupHold _ = hold) {
            store.close();
        }
    }
}
