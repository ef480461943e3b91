// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.lvm.meta.LvmId;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.StoreFeature;
import dev.varve.vdi.store.StoreSpace;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeStore;

import java.util.Collection;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Supplier;

/**
 * Volumes as logical volumes of one group. {@link VolumeNames} has the layout, {@link LvmGroup} the
 * order of a change and what a crash leaves.
 *
 * <p>Sizes are whole extents: a volume is as large as was asked for or a part of an extent larger,
 * and so is a disk of kind RAW, as with the reference stack. A volume takes all of its space from
 * the start. New space reads as zero, because it is zeroed before the group gives it out. What
 * frees a volume is durable before its space is given out again or discarded.
 *
 * <p>One daemon, the {@link GroupOwner}, writes the group. The others have it make their changes,
 * and look for changes before they list or open anything.
 *
 * <p><b>Threads:</b> any.
 */
public final class LvmVolumeStore implements VolumeStore {
    private final LvmAccess access;
    private final OpenVolumes open = new OpenVolumes();
    private final ExtentReserve reserve = new ExtentReserve();
    private final List<Runnable> roomListeners = new CopyOnWriteArrayList<>();
    private final LvmGroup group;
    private final VolumeGrowth growth;

    /** The store in a group. Nothing is written before {@link #recover()}. */
    public LvmVolumeStore(LvmAccess access) {
        this.access = access;
        this.group = new LvmGroup(access, open);
        this.growth = new VolumeGrowth(this, access.settings(), access.blocking());
        locked(
                () -> {
                    group.refresh();
                    return group.state();
                });
        access.owner().serve(new OwnerService(this)::answer);
    }

    /** Has the owner do something when this daemon is not it, and takes note of the outcome. */
    private JsonNode ask(ObjectNode request) {
        JsonNode answer =
                OwnerRequests.requireDone(access.owner().ask(OwnerRequests.bytes(request)));
        locked(
                () -> {
                    group.refresh();
                    return group.state();
                });
        return answer;
    }

    /** The group as daemons have left it; what another program has changed is seen by a look. */
    private GroupState known() {
        return locked(() -> group.isCurrent() ? group.state() : state());
    }

    private boolean isOwner() {
        return access.owner().isOwner();
    }

    private <T> T locked(Supplier<T> work) {
        group.lock.lock();
        try {
            return work.get();
        } finally {
            group.lock.unlock();
        }
    }

    /** The group as it is; what other daemons have changed is read first. */
    private GroupState state() {
        if (access.owner().isAlone()) {
            return group.state();
        }
        return locked(
                () -> {
                    group.refresh();
                    return group.state();
                });
    }

    // ---- what it is

    @Override
    public Set<StoreFeature> features() {
        Set<StoreFeature> features = EnumSet.of(StoreFeature.ZEROED);
        if (isThick()) {
            features.add(StoreFeature.THICK);
        }
        if (!access.owner().isAlone()) {
            features.add(StoreFeature.SHARED);
        }
        return features;
    }

    /** Whether disks have all their room from the start, and none is taken from them. */
    private boolean isThick() {
        return locked(
                () ->
                        group.log()
                                .flatMap(AttributeLog::identity)
                                .map(identity -> identity.smConfig().get("allocation"))
                                .or(
                                        () ->
                                                group.management()
                                                        .map(
                                                                management ->
                                                                        management
                                                                                .repository()
                                                                                .get(
                                                                                        ManagementFormat
                                                                                                .ALLOCATION)))
                                .filter("thick"::equals)
                                .isPresent());
    }

    /** Why nothing can be changed, as one sentence; empty when it can. */
    public Optional<String> readOnlyReason() {
        return group.readOnlyReason();
    }

    /** What was found damaged, for a person; each is told once. */
    public List<String> problems() {
        return group.problems();
    }

    @Override
    public StoreSpace space() {
        return reserve.space(known().group());
    }

    @Override
    public void whenRoom(Runnable listener) {
        roomListeners.add(listener);
    }

    private void tellRoom() {
        roomListeners.forEach(Runnable::run);
    }

    @Override
    public long useReserve(long bytes) {
        return isOwner()
                ? useReserveAsOwner(bytes)
                : ask(OwnerRequests.request("reserve").put("bytes", bytes)).path("bytes").asLong();
    }

    long useReserveAsOwner(long bytes) {
        GroupState now = state();
        return reserve.use(now.group(), bytes) * now.group().extentBytes();
    }

    // ---- the repository

    /** The identity of the repository, as it is kept in the group. */
    public SrIdentity identity() {
        return locked(
                () ->
                        group.log()
                                .flatMap(AttributeLog::identity)
                                .orElseGet(this::identityOfReference));
    }

    private SrIdentity identityOfReference() {
        Map<String, String> fields =
                group.management().map(ManagementVolume::repository).orElse(Map.of());
        String allocation = fields.getOrDefault(ManagementFormat.ALLOCATION, "");
        return new SrIdentity(
                VolumeNames.repository(group.state().group().name()).orElse(new UUID(0, 0)),
                fields.getOrDefault(ManagementFormat.LABEL, ""),
                fields.getOrDefault(ManagementFormat.DESCRIPTION, ""),
                allocation.isEmpty() ? Map.of() : Map.of("allocation", allocation));
    }

    /** Keeps the identity of the repository in the group. */
    public void setIdentity(SrIdentity identity) {
        group.requireWritable();
        if (isOwner()) {
            setIdentityAsOwner(identity);
        } else {
            ask(OwnerRequests.identity(identity));
        }
    }

    void setIdentityAsOwner(SrIdentity identity) {
        locked(
                () -> {
                    GroupChange change = group.begin();
                    change.records.add(new AttributeRecord.OfRepository(identity));
                    group.carryOut(change);
                    group.describeRepository(identity);
                    return identity;
                });
    }

    // ---- looking

    @Override
    public List<VolumeInfo> list() {
        return state().list();
    }

    @Override
    public Set<VolumeId> ids() {
        return state().ids();
    }

    @Override
    public Optional<VolumeInfo> find(VolumeId id) {
        return known().info(id);
    }

    @Override
    public String nameOf(VolumeId id) {
        return VolumeNames.of(id);
    }

    @Override
    public Optional<VolumeId> named(String name) {
        return VolumeNames.parse(name).filter(id -> id.kind().isDisk());
    }

    // ---- opening

    @Override
    public StoreVolume open(VolumeId id, boolean writable) {
        return locked(
                () -> {
                    GroupState now = known();
                    LogicalVolume volume =
                            now.volume(id)
                                    .orElseThrow(
                                            () ->
                                                    ErrorCode.VDI_NOT_ON_STORAGE.because(
                                                            "there is no volume " + id));
                    if (writable) {
                        requireWritable(id, volume);
                    }
                    return new LvmStoreVolume(
                            this,
                            open.open(volume.id(), id, writable, lv -> device(volume)),
                            writable);
                });
    }

    private void requireWritable(VolumeId id, LogicalVolume volume) {
        group.requireWritable();
        if (!volume.isWritable()) {
            throw ErrorCode.VDI_READONLY.with(id.uuid().toString());
        }
    }

    private LvmVolumeDevice device(LogicalVolume volume) {
        return new LvmVolumeDevice(access.medium().device(), group.map(volume));
    }

    VolumeId nameOf(OpenVolumes.Opened opened) {
        return open.name(opened);
    }

    void closed(OpenVolumes.Opened opened, boolean writable) {
        open.close(opened, writable);
    }

    /** Whether a volume is open. */
    public boolean isInUse() {
        return open.isInUse();
    }

    VolumeGrowth growth() {
        return growth;
    }

    // ---- changing

    @Override
    public void commit(List<VolumeChange> changes) {
        group.requireWritable();
        if (isOwner()) {
            commitAsOwner(changes, access.host());
            return;
        }
        requireNotOpen(changes);
        ask(OwnerRequests.commit(changes, access.host()));
        if (changes.stream().anyMatch(LvmVolumeStore::mayMakeRoom)) {
            tellRoom();
        }
    }

    private static boolean mayMakeRoom(VolumeChange change) {
        return change instanceof VolumeChange.Delete || change instanceof VolumeChange.Rename;
    }

    /** The owner does not know what is open here. */
    private void requireNotOpen(List<VolumeChange> changes) {
        locked(
                () -> {
                    CommitTranslation.requireNotOpen(changes, group.state(), open::isOpen);
                    return group.state();
                });
    }

    void commitAsOwner(List<VolumeChange> changes, UUID host) {
        boolean room =
                locked(
                        () -> {
                            GroupChange change = group.begin();
                            AttributeLog log = group.log().orElse(null);
                            new CommitTranslation(
                                            group.state(),
                                            change,
                                            lv -> log != null && log.attributes().containsKey(lv),
                                            host)
                                    .translate(changes, open::isOpen);
                            requireRoom(changes, change);
                            group.carryOut(change);
                            return !change.edit.freed().isEmpty();
                        });
        if (room) {
            tellRoom();
        }
    }

    /** Large volumes are not made of the room that is kept back. */
    private void requireRoom(List<VolumeChange> changes, GroupChange change) {
        long extent = group.state().group().extentBytes();
        long kept = reserve.kept(group.state().group());
        for (VolumeChange one : changes) {
            if (one instanceof VolumeChange.Create create
                    && create.sizeBytes() > access.settings().smallBytes()
                    && change.edit.freeExtents() < kept) {
                throw ErrorCode.SR_NO_SPACE.because(
                        "%s of %d bytes does not fit: %d bytes of the repository are kept back for its own work"
                                .formatted(create.id(), create.sizeBytes(), kept * extent));
            }
        }
    }

    /** Makes volumes at least so large, and tells why some are not. */
    Map<LvmId, StorageException> growVolumes(Map<LvmId, Long> sizes) {
        return isOwner()
                ? growAsOwner(sizes)
                : OwnerRequests.failures(ask(OwnerRequests.grow(sizes)));
    }

    Map<LvmId, StorageException> growAsOwner(Map<LvmId, Long> sizes) {
        return locked(
                () -> {
                    GroupChange change = group.begin();
                    long kept = reserve.kept(group.state().group());
                    Map<LvmId, StorageException> failures =
                            growth.extend(sizes, group.state(), change, kept);
                    group.carryOut(change);
                    return failures;
                });
    }

    /**
     * Makes a volume smaller, down to a whole extent; disks keep their room where that is wanted.
     */
    void shrinkVolume(LvmId volume, long sizeBytes) {
        if (isThick()) {
            return;
        }
        if (isOwner()) {
            shrinkAsOwner(volume, sizeBytes);
        } else {
            ask(
                    OwnerRequests.request("shrink")
                            .put("volume", volume.text())
                            .put("size", sizeBytes));
        }
        tellRoom();
    }

    /** How large a volume is after {@link #shrinkVolume}, in bytes. */
    long sizeAfterShrink(LvmId volume, long sizeBytes) {
        boolean thick = isThick();
        return locked(
                () -> {
                    GroupState now = group.state();
                    long extent = now.group().extentBytes();
                    long present = now.id(volume).flatMap(now::volume).orElseThrow().extents();
                    long left = CommitTranslation.extents(sizeBytes, extent);
                    return (thick ? present : Math.min(left, present)) * extent;
                });
    }

    void shrinkAsOwner(LvmId volume, long sizeBytes) {
        locked(
                () -> {
                    GroupChange change = group.begin();
                    GroupState now = group.state();
                    LogicalVolume present = now.id(volume).flatMap(now::volume).orElseThrow();
                    long extents = CommitTranslation.extents(sizeBytes, now.group().extentBytes());
                    if (extents < present.extents()) {
                        change.edit.reduce(present.name(), present.extents() - extents);
                        change.ofGroup = true;
                        group.carryOut(change);
                    }
                    return change;
                });
    }

    /**
     * What would hinder the reference stack from using the repository as it is.
     *
     * @param images what is known of the images in it
     */
    public List<HandbackFinding> handback(Collection<ImageFact> images) {
        return Handback.findings(state(), images);
    }

    // ---- after a crash

    @Override
    public void recover() {
        locked(
                () -> {
                    group.refresh();
                    if (group.readOnlyReason().isEmpty() && access.owner().isOwner()) {
                        group.endReferenceWork();
                    }
                    if (group.readOnlyReason().isEmpty() && access.owner().isOwner()) {
                        group.makeOwnVolumes();
                    }
                    return group.state();
                });
        if (group.readOnlyReason().isEmpty()) {
            removeIncoming();
        }
    }

    /** Images that were being made by this host, or by any when there is no other. */
    private void removeIncoming() {
        List<VolumeChange> removals =
                locked(() -> Leftovers.of(group.state(), access, open::isOpen));
        if (!removals.isEmpty()) {
            commit(removals);
        }
    }

    /**
     * Lets go of the group.
     *
     * @throws IllegalStateException when a volume is open
     */
    @Override
    public void close() {
        locked(
                () -> {
                    open.requireNoneOpen();
                    group.letGo();
                    return group.state();
                });
    }
}
