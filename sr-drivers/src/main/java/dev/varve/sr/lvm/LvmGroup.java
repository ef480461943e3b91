// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.lvm;

import dev.varve.sr.block.BlockMedium;
import dev.varve.sr.lvm.meta.ExtentRun;
import dev.varve.sr.lvm.meta.GroupEdit;
import dev.varve.sr.lvm.meta.GroupMetadata;
import dev.varve.sr.lvm.meta.LogicalVolume;
import dev.varve.sr.lvm.meta.LvmId;
import dev.varve.sr.lvm.meta.VolumeGroup;
import dev.varve.sr.spi.SrIdentity;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.store.VolumeId;

import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A group with the volumes of our own in it: reads them, and has changes of the group and of the
 * log happen together.
 *
 * <p><b>Durability:</b> the order of a change, and what a crash after each step leaves:
 *
 * <ol>
 *   <li>The extents that are given out are zeroed, and the entry of the log is written behind those
 *       that count. Nothing has changed: the extents belong to nobody, the entry does not count.
 *   <li>The metadata of the group is committed; its first flush makes the step before durable. As
 *       {@link GroupMetadata} has it, the old group is left or the new one, and with the new one
 *       its tag, by which the entry counts.
 *   <li>The management volume is written. A crash leaves it behind; {@link ManagementVolume#mend}
 *       and the next change of each disk bring it up to date.
 *   <li>Extents that came free are discarded, some time later.
 * </ol>
 *
 * <p><b>Threads:</b> {@link #state} from any; everything else under {@link #lock}.
 */
final class LvmGroup {
    private static final long NEVER = -1;

    /** How much is zeroed at a time. */
    private static final long ZERO_BYTES = 8L << 20;

    final ReentrantLock lock = new ReentrantLock();

    private final LvmAccess access;
    private final BlockMedium medium;
    private final GroupMetadata metadata;
    private final OpenVolumes open;
    private final FreedSpace freed;
    private final Set<String> problems = new LinkedHashSet<>();
    private final Map<LvmId, Map<String, String>> attributes = new HashMap<>();
    private AttributeLog log;
    private ManagementVolume management;
    private boolean managementStale;
    private boolean stale = true;

    /** {@link GroupOwner#since} when the group was last read; -1 when this was not the owner. */
    private long ownedSince = NEVER;

    private volatile GroupState state;
    private volatile Optional<String> readOnly = Optional.empty();

    LvmGroup(LvmAccess access, OpenVolumes open) {
        this.access = access;
        this.medium = access.medium();
        this.metadata = access.metadata();
        this.open = open;
        this.freed = new FreedSpace(medium, this::asOwner, access.blocking(), this::report);
    }

    // ---- looking

    /** The group as it was last read or changed. */
    GroupState state() {
        return state;
    }

    /** What was found damaged, for a person; each is told once. */
    List<String> problems() {
        synchronized (problems) {
            return List.copyOf(problems);
        }
    }

    void report(String problem) {
        synchronized (problems) {
            problems.add(problem);
        }
    }

    /** The log, once the group has one. */
    Optional<AttributeLog> log() {
        return Optional.ofNullable(log);
    }

    /** The management volume, if the group has one. */
    Optional<ManagementVolume> management() {
        return Optional.ofNullable(management);
    }

    /** The bytes of a logical volume. */
    VolumeBytes bytes(LogicalVolume volume) {
        return new VolumeBytes(medium, map(volume));
    }

    /** Where a logical volume lies. */
    ExtentMap map(LogicalVolume volume) {
        return ExtentMap.of(volume, metadata.group().extentBytes(), this::offsetOf);
    }

    private long offsetOf(String pv, long extent) {
        if (metadata.medium(pv) != medium) {
            throw ErrorCode.VDI_LOAD.because(
                    "a part of the volume lies on another device than " + medium.name());
        }
        return metadata.offsetOf(pv, extent);
    }

    /** Where the logical volume of an identifier lies. */
    ExtentMap map(LvmId volume) {
        GroupState now = state;
        return map(now.id(volume).flatMap(now::volume).orElseThrow());
    }

    /** Why nothing can be changed, as one sentence. */
    Optional<String> readOnlyReason() {
        return readOnly.or(metadata::refusal)
                .or(
                        () ->
                                medium.isWritable()
                                        ? Optional.empty()
                                        : Optional.of(medium.name() + " can only be read."));
    }

    /** Has nothing changed any more until the group is attached anew. */
    void makeReadOnly(String reason) {
        readOnly = Optional.of(reason);
    }

    void requireWritable() {
        readOnlyReason()
                .ifPresent(
                        reason -> {
                            throw ErrorCode.SR_NOT_WRITABLE.because(reason);
                        });
    }

    // ---- reading

    /** Whether no other daemon can have changed the group since it was last read here. */
    boolean isCurrent() {
        return !stale
                && ownedSince != NEVER
                && access.owner().isOwner()
                && access.owner().since() == ownedSince;
    }

    /** Reads what has changed on the medium since it was last read here. */
    void refresh() {
        long since = access.owner().isOwner() ? access.owner().since() : NEVER;
        // Whoever owned the group before has changed what is only written by the owner.
        stale |= since != NEVER && since != ownedSince;
        ownedSince = since;
        VolumeGroup before = metadata.group();
        VolumeGroup now = metadata.reread();
        if (now != before) {
            freed.forget();
        }
        if (stale || now != before) {
            load(now);
        } else if (log != null && !access.owner().isAlone()) {
            long last = log.last();
            log.readOn(now.volume(VolumeNames.ATTRIBUTES).orElseThrow());
            if (log.last() != last) {
                attributes.putAll(log.attributes());
                publish();
            }
        }
    }

    private void load(VolumeGroup group) {
        loadLog(group);
        loadManagement(group);
        if (stale) {
            attributes.clear();
        }
        if (log != null) {
            attributes.putAll(log.attributes());
        }
        publish();
        if (management != null && addFromManagement()) {
            publish();
        }
        stale = false;
    }

    private void loadLog(VolumeGroup group) {
        LogicalVolume volume = group.volume(VolumeNames.ATTRIBUTES).orElse(null);
        if (volume == null) {
            log = null;
        } else if (stale || log == null || !log.volume().equals(volume.id())) {
            log = AttributeLog.read(volume, bytes(volume));
        } else {
            log.readOn(volume);
        }
        if (log != null && log.isDamaged()) {
            report(
                    "the attributes of %s are damaged from byte %d of %s on"
                            .formatted(group.name(), log.position(), VolumeNames.ATTRIBUTES));
        }
    }

    private void loadManagement(VolumeGroup group) {
        LogicalVolume volume = group.volume(VolumeNames.MANAGEMENT).orElse(null);
        if (volume == null) {
            management = null;
        } else if (stale || management == null) {
            management = ManagementVolume.read(bytes(volume));
        } else {
            management.grown(bytes(volume));
        }
    }

    /** Disks about which the log says nothing have the attributes that the reference stack gave. */
    private boolean addFromManagement() {
        boolean any = false;
        for (VolumeId id : state.ids()) {
            LogicalVolume volume = state.volume(id).orElseThrow();
            if (id.kind().isDisk() && !attributes.containsKey(volume.id())) {
                Optional<Map<String, String>> fields = management.disk(id.uuid());
                fields.ifPresent(f -> attributes.put(volume.id(), ManagementFields.attributes(f)));
                any |= fields.isPresent();
            }
        }
        return any;
    }

    private void publish() {
        state = GroupState.following(state, metadata.group(), attributes);
        open.refresh(state, this::map);
    }

    // ---- changing

    /** Begins a change of what is on the medium now. */
    GroupChange begin() {
        requireWritable();
        refresh();
        requireWritable();
        return new GroupChange(metadata.edit());
    }

    /** Carries a change out; when this returns it is durable. */
    void carryOut(GroupChange change) {
        if (change.isEmpty()) {
            return;
        }
        try {
            access.owner().asOwner(() -> write(change));
        } catch (StorageException e) {
            // The old or the new group is on the medium; what is here may be neither.
            stale = true;
            throw e;
        }
        describe(change);
    }

    private void write(GroupChange change) {
        if (!change.ofGroup && log != null && !log.isDamaged()) {
            AttributeEntry entry = new AttributeEntry(log.last() + 1, false, change.records);
            byte[] encoded = entry.encode();
            if (log.hasRoom(encoded.length)) {
                log.write(encoded);
                medium.flush();
                log.wrote(entry, encoded.length);
                took(change.records);
                return;
            }
        }
        writeGroup(change);
    }

    private void writeGroup(GroupChange change) {
        GroupEdit edit = change.edit;
        growManagement(change);
        LogWrite written =
                LogWrite.prepare(
                        log,
                        change,
                        state.group(),
                        this::bytes,
                        attributes,
                        access.settings().logBytes());
        for (ExtentRun run : edit.taken()) {
            long offset = offsetOf(run.pv(), run.start());
            long length = run.count() * state.group().extentBytes();
            freed.take(offset, length);
            zero(offset, length);
        }
        written.write();
        VolumeGroup next = edit.done();
        metadata.commit(next);
        log = written.done();
        took(change.records);
        for (ExtentRun run : edit.freed()) {
            freed.add(offsetOf(run.pv(), run.start()), run.count() * state.group().extentBytes());
        }
    }

    /**
     * Hand over hand: the lock is given back when it is certain that this daemon stays the owner.
     */
    private void asOwner(Runnable locked, Runnable rest) {
        AtomicBoolean unlocked = new AtomicBoolean();
        lock.lock();
        try {
            access.owner()
                    .asOwner(
                            () -> {
                                if (!access.owner().isAlone()) {
                                    refresh();
                                }
                                locked.run();
                                unlocked.set(true);
                                lock.unlock();
                                rest.run();
                            });
        } finally {
            if (!unlocked.get()) {
                lock.unlock();
            }
        }
    }

    /**
     * One piece after the other, so that a request of a guest that comes meanwhile waits for one of
     * them and not for all that its disk grows by.
     */
    private void zero(long offset, long length) {
        for (long done = 0; done < length; done += ZERO_BYTES) {
            medium.zero(offset + done, Math.min(ZERO_BYTES, length - done));
        }
    }

    private void took(List<AttributeRecord> records) {
        for (AttributeRecord record : records) {
            if (record instanceof AttributeRecord.OfVolume of) {
                attributes.put(of.volume(), of.attributes());
            }
        }
        publish();
    }

    // ---- the management volume

    private void growManagement(GroupChange change) {
        if (management == null) {
            return;
        }
        long extent = state.group().extentBytes();
        long missing = management.bytesFor(change.touched.size()) - management.sizeBytes();
        if (missing > 0) {
            change.edit.extend(VolumeNames.MANAGEMENT, CommitTranslation.extents(missing, extent));
        }
    }

    /** What cannot be written there is written later: the change has happened. */
    private void describe(GroupChange change) {
        if (management == null) {
            return;
        }
        try {
            state.group()
                    .volume(VolumeNames.MANAGEMENT)
                    .ifPresent(volume -> management.grown(bytes(volume)));
            if (managementStale) {
                describeAll();
            } else {
                change.touched.forEach(id -> Descriptions.describe(state, management, id.uuid()));
            }
        } catch (StorageException e) {
            managementStale = true;
            report("the management volume could not be written: " + e.sentence());
        }
    }

    /** Describes the repository for the reference stack, as far as that has fields for it. */
    void describeRepository(SrIdentity identity) {
        if (management != null) {
            boolean thick = "thick".equals(identity.smConfig().get(ManagementFormat.ALLOCATION));
            management.putRepository(ManagementFields.of(identity, thick));
        }
    }

    /**
     * Makes the volumes of our own that are missing, as far as there is room, and brings the
     * management volume up to date.
     */
    void makeOwnVolumes() {
        GroupChange change = begin();
        if (management == null && change.edit.freeExtents() > 0) {
            change.edit.create(VolumeNames.MANAGEMENT, 1, List.of());
            change.ofGroup = true;
            carryOut(change);
            refreshManagement();
        }
        if (management != null) {
            bringManagementUpToDate();
        }
    }

    /** When it is as it was left here, all of it is right, and there may be much of it. */
    private void bringManagementUpToDate() {
        Set<UUID> disks = new HashSet<>();
        for (VolumeId id : state.ids()) {
            if (id.kind().isDisk()) {
                disks.add(id.uuid());
            }
        }
        boolean untouched =
                log != null
                        && log.managementChecksum().equals(Optional.of(management.checksumRead()))
                        && management.disks().equals(disks);
        if (!untouched) {
            adoptFromManagement();
            describeAll();
        }
    }

    /** Ends what the reference stack has begun; when that is not possible, nothing is written. */
    void endReferenceWork() {
        List<ReferenceJournal> journals =
                ReferenceJournal.among(state.group().volumes().values(), this::bytes);
        if (journals.isEmpty()) {
            return;
        }
        GroupChange change = begin();
        List<ReferenceJournal> remaining =
                new ReferenceRepair(state, change, this::bytes, this::zeroFrom).end(journals);
        carryOut(change);
        if (!remaining.isEmpty()) {
            makeReadOnly(ReferenceRepair.reason(remaining));
        }
    }

    private void zeroFrom(LogicalVolume volume, long offset) {
        ExtentMap map = map(volume);
        if (offset % medium.blockBytes() != 0 || offset > map.sizeBytes()) {
            throw new IllegalArgumentException("a volume cannot be zeroed from byte " + offset);
        }
        for (long at = offset; at < map.sizeBytes(); ) {
            int piece = map.piece(at);
            medium.zero(map.onMedium(piece, at), map.end(piece) - at);
            at = map.end(piece);
        }
    }

    private void refreshManagement() {
        loadManagement(state.group());
    }

    /** Brings the management volume up to date. */
    void describeAll() {
        Descriptions.describeAll(state, management);
        managementStale = false;
    }

    /**
     * Waits for what is done in the background, and notes what the management volume looks like, so
     * that it is known the next time whether somebody else has written it.
     */
    void letGo() {
        freed.close();
        boolean noted = log == null || log.managementChecksum().isPresent();
        if (noted || management == null || stale || managementStale || ownedSince == NEVER) {
            return;
        }
        if (readOnlyReason().isEmpty() && access.owner().isOwner()) {
            GroupChange change = begin();
            change.records.add(new AttributeRecord.OfManagement(management.checksumNow()));
            carryOut(change);
        }
    }

    /**
     * What the reference stack has changed about disks since this group was let go of: it counts,
     * as the later.
     */
    private void adoptFromManagement() {
        boolean same =
                log == null
                        || log.managementChecksum()
                                .map(noted -> noted == management.checksumRead())
                                .orElse(true);
        if (same) {
            return;
        }
        GroupChange change = begin();
        for (VolumeId id : state.ids()) {
            if (id.kind().isDisk()) {
                LogicalVolume volume = state.volume(id).orElseThrow();
                Descriptions.changed(state.notes(volume), id, management)
                        .map(attributes -> new AttributeRecord.OfVolume(volume.id(), attributes))
                        .ifPresent(change.records::add);
            }
        }
        carryOut(change);
    }
}
