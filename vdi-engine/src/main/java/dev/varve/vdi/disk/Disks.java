// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.block.BlockFilter;
import dev.varve.vdi.cbt.ChangeTracking;
import dev.varve.vdi.cbt.ChangedBlocks;
import dev.varve.vdi.cbt.LogRemoval;
import dev.varve.vdi.cbt.LogRestart;
import dev.varve.vdi.cbt.LogRotation;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.ParentSource;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.filter.RoomFilter;
import dev.varve.vdi.filter.RoomWatch;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;
import dev.varve.vdi.time.Clock;
import dev.varve.vdi.time.RandomSource;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;

/**
 * The operations on disks over any volume store.
 *
 * <p>A new disk is made as a volume of kind {@link VolumeKind#INCOMING} and becomes visible by one
 * rename, so a crash leaves either nothing, after {@link VolumeStore#recover()}, or the whole disk.
 */
public final class Disks implements DiskService {
    private final VolumeStore store;
    private final VdiEngine engine;
    private final Map<VolumeKind, ImageFormat> formats;
    private final RandomSource random;
    private final RoomWatch room;
    private final StoreParents parents;
    private final ImageTree tree = new ImageTree();
    private final DiskInspector inspector;
    private final ImageBranches branches;
    private final TreeLock lock = new TreeLock();
    private final ImageMerges merges;
    private final ChangeTracking tracking;
    private final LogOnlyDisks logOnly;

    /** Held from looking at the notes of a disk until others are written. */
    private final Object notes = new Object();

    private final DiskViews views;
    private final ContentOver overContent;

    /** Held from working out which nodes nobody needs any more until they are gone. */
    private final Object removal = new Object();

    /**
     * Disks whose writes fail when the store is full.
     *
     * @param formats the format of each kind of disk volume
     */
    public Disks(
            VolumeStore store,
            VdiEngine engine,
            Map<VolumeKind, ImageFormat> formats,
            RandomSource random) {
        this(store, engine, formats, random, new RoomWatch(RoomWatch.WhenFull.FAIL));
    }

    /**
     * @param formats the format of each kind of disk volume
     * @param room what happens to writes when the store is full; told when there may be room
     */
    public Disks(
            VolumeStore store,
            VdiEngine engine,
            Map<VolumeKind, ImageFormat> formats,
            RandomSource random,
            RoomWatch room) {
        this.room = room;
        store.whenRoom(room::roomMade);
        this.store = store;
        this.engine = engine;
        this.formats = Map.copyOf(formats);
        this.random = random;
        this.parents = new StoreParents(store, id -> format(id.kind()));
        this.inspector = new DiskInspector(store, engine, parents, tree, id -> format(id.kind()));
        this.branches = new ImageBranches(store, engine, parents, random);
        this.merges = new ImageMerges(store, engine, parents, random, tree, inspector, lock);
        this.tracking = new ChangeTracking(store, engine, random);
        this.logOnly = new LogOnlyDisks(store, tracking);
        this.views = new DiskViews(engine, lock, vdi -> leaf(require(vdi), false));
        this.overContent = new ContentOver(store, engine, parents, random);
    }

    /** The format of a disk volume. */
    public ImageFormat format(VolumeKind kind) {
        ImageFormat format = formats.get(kind);
        if (format == null) {
            throw ErrorCode.VDI_TYPE.because(
                    "there is no image format for volumes of kind " + kind);
        }
        return format;
    }

    // ---- looking

    @Override
    public List<VdiInfo> scan(Operation operation) {
        return lock.beside(() -> scanNow(operation));
    }

    private List<VdiInfo> scanNow(Operation operation) {
        List<VdiInfo> found = new ArrayList<>(inspector.scan(operation));
        found.addAll(logOnly.all(operation));
        return found;
    }

    @Override
    public Optional<VdiInfo> find(UUID vdi) {
        Operation operation = Operation.unbounded("look at a disk", clock());
        return lock.beside(
                () ->
                        volume(vdi)
                                .map(info -> inspector.inspect(info, operation))
                                .or(() -> logOnly.find(vdi, operation)));
    }

    private Clock clock() {
        return engine.lanes().getFirst().clock();
    }

    private Optional<VolumeInfo> volume(UUID vdi) {
        for (VolumeKind kind : VolumeKind.values()) {
            if (kind.isDisk()) {
                Optional<VolumeInfo> found = store.find(new VolumeId(kind, vdi));
                if (found.isPresent()) {
                    return found;
                }
            }
        }
        return Optional.empty();
    }

    /** The volume of a disk, or VDI_NOT_ON_STORAGE. */
    public VolumeInfo require(UUID vdi) {
        return volume(vdi)
                .orElseThrow(
                        () ->
                                ErrorCode.VDI_NOT_ON_STORAGE.because(
                                        "there is no disk " + vdi + " in this repository"));
    }

    private VdiInfo inspect(UUID vdi, Operation operation) {
        return inspector.inspect(require(vdi), operation);
    }

    // ---- making

    @Override
    public VdiInfo create(VdiSpec spec, Operation operation) {
        return create(spec, Optional.empty(), operation);
    }

    @Override
    public VdiInfo create(VdiSpec spec, DiskContent content, Operation operation) {
        return create(spec, Optional.of(content), operation);
    }

    private VdiInfo create(VdiSpec spec, Optional<DiskContent> content, Operation operation) {
        ImageFormat format = format(spec.kind());
        long size = allowedSize(format, spec.uuid(), spec.virtualSizeBytes());
        VolumeId incoming = new VolumeId(VolumeKind.INCOMING, spec.uuid());
        VolumeId wanted = new VolumeId(spec.kind(), spec.uuid());
        refuseExisting(spec.uuid());
        ImageSpec image = ImageSpec.plain(spec.uuid(), size);
        makeVolume(incoming, format, image, DiskAttributes.of(spec));
        try {
            makeImage(incoming, format, image, operation);
            content.ifPresent(source -> fill(spec.uuid(), incoming, format, source, operation));
            store.commit(List.of(new VolumeChange.Rename(incoming, wanted)));
        } catch (RuntimeException | Error e) {
            undo(incoming, e);
            throw e;
        }
        return inspect(spec.uuid(), operation);
    }

    private void refuseExisting(UUID vdi) {
        if (volume(vdi).isPresent()) {
            throw ErrorCode.VDI_EXISTS.because("there is already a disk " + vdi);
        }
    }

    private void makeVolume(
            VolumeId id, ImageFormat format, ImageSpec spec, Map<String, String> attributes) {
        long size = parents.allocation().firstBytes(format, spec, attributes, true);
        store.commit(List.of(new VolumeChange.Create(id, size, attributes)));
    }

    private void makeImage(VolumeId id, ImageFormat format, ImageSpec spec, Operation operation) {
        try (OpenVolume open = engine.open(parents.open(id, true), true)) {
            BlockAccess access = open.access(operation);
            parents.allocation().makeRoom(access, id, format, spec.sizeBytes());
            format.create(access, spec, operation);
        }
    }

    private void fill(
            UUID vdi,
            VolumeId incoming,
            ImageFormat format,
            DiskContent content,
            Operation operation) {
        ActiveVdi target =
                engine.open(
                        vdi,
                        new VdiEngine.Leaf(parents.open(incoming, true), format, ParentSource.NONE),
                        true,
                        operation);
        try {
            content.writeTo(target, operation);
        } catch (RuntimeException | Error e) {
            closeAfter(target, e);
            throw e;
        }
        target.close(operation);
    }

    private void closeAfter(ActiveVdi vdi, Throwable failure) {
        try {
            vdi.close(Operation.unbounded("close disk " + vdi.uuid(), clock()));
        } catch (StorageException e) {
            failure.addSuppressed(e);
        }
    }

    private void undo(VolumeId incoming, Throwable reason) {
        try {
            store.commit(List.of(new VolumeChange.Delete(incoming)));
        } catch (StorageException e) {
            reason.addSuppressed(e);
        }
    }

    private static long allowedSize(ImageFormat format, UUID vdi, long size) {
        if (size <= 0) {
            throw ErrorCode.VDI_TOO_SMALL.with(
                    vdi.toString(), Long.toString(format.minimumBytes()));
        }
        if (size > format.maximumBytes()) {
            throw ErrorCode.VDI_TOO_LARGE.with(
                    vdi.toString(), Long.toString(format.maximumBytes()));
        }
        return Math.max(format.minimumBytes(), format.roundUp(size));
    }

    @Override
    public VdiInfo copy(UUID source, DiskService target, VdiSpec spec, Operation operation) {
        if (engine.find(source).map(ActiveVdi::isWritable).orElse(false)) {
            throw ErrorCode.SR_VDI_IN_USE.because(
                    "disk " + source + " is being written; take a snapshot and copy that");
        }
        ActiveVdi view =
                lock.beside(
                        () -> engine.open(source, leaf(require(source), false), false, operation));
        VdiInfo made;
        try {
            made =
                    target.create(
                            spec,
                            (disk, under) -> new DiskCopier(view, disk).run(under),
                            operation);
        } catch (RuntimeException | Error e) {
            closeAfter(view, e);
            throw e;
        }
        view.close(operation);
        return made;
    }

    private VdiEngine.Leaf leaf(VolumeInfo volume, boolean writable) {
        return new VdiEngine.Leaf(
                parents.open(volume.id(), writable), format(volume.id().kind()), parents);
    }

    @Override
    public void read(UUID vdi, DiskReading reading, Operation operation) {
        views.read(vdi, reading, operation);
    }

    @Override
    public void compare(UUID base, UUID vdi, DiskDifference.Reading reading, Operation operation) {
        views.compare(base, vdi, reading, operation);
    }

    /**
     * The new image is made as a volume of kind INCOMING, filled and synced; one commit gives it
     * the disk's name, which takes the place of the former leaf, and removes inner nodes that only
     * that rested on. A crash before leaves the disk as it was, one after leaves the new content.
     */
    @Override
    public DiskChanges replace(UUID vdi, DiskContent content, Operation operation) {
        refuseActive(vdi);
        VolumeInfo disk = require(vdi);
        refuseChildren(disk.id(), operation);
        ImageFormat format = format(disk.id().kind());
        long size = inspect(vdi, operation).virtualSizeBytes();
        VolumeId incoming = new VolumeId(VolumeKind.INCOMING, random.uuid());
        ImageSpec image = ImageSpec.plain(incoming.uuid(), size);
        makeVolume(incoming, format, image, disk.attributes());
        try {
            makeImage(incoming, format, image, operation);
            fill(vdi, incoming, format, content, operation);
            operation.checkpoint();
            return lock.beside(() -> putInPlace(incoming, disk.id(), operation));
        } catch (RuntimeException | Error e) {
            undo(incoming, e);
            throw e;
        }
    }

    @Override
    public DiskChanges overwrite(UUID vdi, DiskContent content, Operation operation) {
        refuseActive(vdi);
        VolumeInfo disk = require(vdi);
        refuseChildren(disk.id(), operation);
        if (!format(disk.id().kind()).hasParents()) {
            return replace(
                    vdi, (target, under) -> copyUnder(vdi, target, content, under), operation);
        }
        VolumeId base;
        try (ImageMerges.Bar _ = merges.bar(disk.id())) {
            tree.remove(disk.id());
            long size = inspect(vdi, operation).virtualSizeBytes();
            base =
                    overContent.put(
                            disk, content, () -> tracking.replace(vdi, size, operation), operation);
        }
        return changes(List.of(vdi, base.uuid()), List.of(), operation);
    }

    private void copyUnder(UUID vdi, ActiveVdi target, DiskContent content, Operation operation) {
        views.read(vdi, (now, under) -> new DiskCopier(now, target).run(under), operation);
        content.writeTo(target, operation);
    }

    private DiskChanges putInPlace(VolumeId incoming, VolumeId disk, Operation operation) {
        merges.cancelTouching(List.of(disk));
        synchronized (removal) {
            List<VolumeId> removed = new ArrayList<>();
            long size = inspect(disk.uuid(), operation).virtualSizeBytes();
            try (LogRestart logs = tracking.replace(disk.uuid(), size, operation)) {
                StoreCommits.commitOrLearn(
                        store,
                        replace(incoming, disk, logs, removed, operation),
                        () -> store.find(incoming).isEmpty());
                logs.finish();
            }
            tree.remove(disk);
            removed.forEach(tree::remove);
            return changes(
                    List.of(disk.uuid()), removed.stream().map(VolumeId::uuid).toList(), operation);
        }
    }

    // ---- trees

    @Override
    public DiskChanges snapshot(List<SnapshotSpec> snapshots, Operation operation) {
        return lock.beside(() -> snapshotNow(snapshots, operation));
    }

    private DiskChanges snapshotNow(List<SnapshotSpec> snapshots, Operation operation) {
        Map<UUID, UUID> disks = new LinkedHashMap<>();
        for (SnapshotSpec spec : snapshots) {
            boolean isDisk = DiskAttributes.snapshot(require(spec.source()).attributes()).isEmpty();
            if (isDisk) {
                disks.put(spec.source(), spec.snapshot());
            }
        }
        try (LogRotation logs = tracking.rotate(disks, operation)) {
            DiskChanges made = snapshot(snapshots, logs, operation);
            logs.finish(operation);
            return made;
        }
    }

    private DiskChanges snapshot(
            List<SnapshotSpec> snapshots, LogRotation logs, Operation operation) {
        long now = clock().epochMillis();
        List<ImageBranches.Branch> wanted = new ArrayList<>();
        for (SnapshotSpec spec : snapshots) {
            VolumeInfo source = require(spec.source());
            // What it will be asked for is to be read, so its table has room for its size only.
            wanted.add(
                    new ImageBranches.Branch(
                            source,
                            spec.snapshot(),
                            0,
                            DiskAttributes.ofSnapshot(source.attributes(), spec.source(), now)));
        }
        return branch(wanted, Optional.of(logs), operation);
    }

    @Override
    public DiskChanges clone(UUID source, UUID clone, Operation operation) {
        return lock.beside(() -> cloneNow(source, clone, operation));
    }

    private DiskChanges cloneNow(UUID source, UUID clone, Operation operation) {
        VolumeInfo volume = require(source);
        return branch(
                List.of(
                        new ImageBranches.Branch(
                                volume,
                                clone,
                                Long.MAX_VALUE,
                                DiskAttributes.ofClone(volume.attributes()))),
                Optional.empty(),
                operation);
    }

    private DiskChanges branch(
            List<ImageBranches.Branch> wanted, Optional<LogRotation> logs, Operation operation) {
        wanted.forEach(branch -> refuseExisting(branch.uuid()));
        wanted.forEach(branch -> merges.prepareBranch(branch.source().id()));
        List<VolumeChange> names =
                wanted.stream()
                        .map(
                                branch ->
                                        (VolumeChange)
                                                new VolumeChange.Rename(
                                                        branch.incoming(),
                                                        new VolumeId(
                                                                branch.source().id().kind(),
                                                                branch.uuid())))
                        .toList();
        List<VolumeId> bases =
                makeOrForget(
                        wanted,
                        new NamesAndLogs(names, logs),
                        wanted.stream().map(branch -> branch.source().id()).toList(),
                        operation);
        List<UUID> changed = new ArrayList<>();
        wanted.forEach(branch -> changed.add(branch.uuid()));
        wanted.forEach(branch -> changed.add(branch.source().id().uuid()));
        bases.forEach(base -> changed.add(base.uuid()));
        return changes(changed, List.of(), operation);
    }

    /** What a failure leaves may not be known: then it is looked at again before it counts. */
    private List<VolumeId> makeOrForget(
            List<ImageBranches.Branch> wanted,
            ImageBranches.Finish finish,
            List<VolumeId> changing,
            Operation operation) {
        try {
            return branches.make(wanted, finish, operation);
        } catch (RuntimeException | Error e) {
            changing.forEach(tree::remove);
            throw e;
        }
    }

    private DiskChanges changes(List<UUID> changed, List<UUID> removed, Operation operation) {
        return new DiskChanges(
                changed.stream().distinct().map(uuid -> inspect(uuid, operation)).toList(),
                removed);
    }

    @Override
    public DiskChanges revert(UUID vdi, UUID snapshot, Operation operation) {
        return lock.beside(() -> revertNow(vdi, snapshot, operation));
    }

    private DiskChanges revertNow(UUID vdi, UUID snapshot, Operation operation) {
        refuseActive(vdi);
        VolumeInfo disk = require(vdi);
        VolumeInfo source = require(snapshot);
        Optional<UUID> of = DiskAttributes.snapshot(source.attributes()).flatMap(SnapshotMark::of);
        if (!of.equals(Optional.of(vdi)) || source.id().kind() != disk.id().kind()) {
            throw ErrorCode.OPERATION_NOT_ALLOWED.with(
                    "disk " + snapshot + " is not a snapshot of disk " + vdi);
        }
        refuseChildren(disk.id(), operation);
        merges.cancelTouching(List.of(disk.id()));
        merges.prepareBranch(source.id());
        UUID incoming = random.uuid();
        ImageBranches.Branch branch =
                new ImageBranches.Branch(source, incoming, Long.MAX_VALUE, disk.attributes());
        List<VolumeId> removed = new ArrayList<>();
        List<VolumeId> bases;
        synchronized (removal) {
            long size = inspect(snapshot, operation).virtualSizeBytes();
            try (LogRestart logs = tracking.restart(vdi, snapshot, size, operation)) {
                bases =
                        makeOrForget(
                                List.of(branch),
                                () ->
                                        replace(
                                                branch.incoming(),
                                                disk.id(),
                                                logs,
                                                removed,
                                                operation),
                                List.of(disk.id(), source.id()),
                                operation);
                logs.finish();
            }
            removed.forEach(tree::remove);
            List<UUID> changed = new ArrayList<>(List.of(vdi, snapshot));
            bases.forEach(base -> changed.add(base.uuid()));
            return changes(changed, removed.stream().map(VolumeId::uuid).toList(), operation);
        }
    }

    /** The new image takes the place of the disk's leaf; what only that rested on goes. */
    private List<VolumeChange> replace(
            VolumeId incoming,
            VolumeId disk,
            LogRestart logs,
            List<VolumeId> removed,
            Operation operation) {
        List<VolumeChange> changes = new ArrayList<>(logs.changes());
        changes.add(new VolumeChange.Rename(incoming, disk));
        inspector.completeTree(operation);
        List<VolumeId> orphans = tree.orphansWithout(disk);
        merges.cancelTouching(orphans);
        for (VolumeId orphan : orphans) {
            changes.add(new VolumeChange.Delete(orphan));
            removed.add(orphan);
        }
        return changes;
    }

    private void refuseActive(UUID vdi) {
        if (engine.find(vdi).isPresent()) {
            throw ErrorCode.SR_VDI_IN_USE.because("disk " + vdi + " is active; detach it first");
        }
    }

    private void refuseChildren(VolumeId id, Operation operation) {
        inspector.completeTree(operation);
        Set<VolumeId> children = tree.children(id);
        if (!children.isEmpty()) {
            throw ErrorCode.VDI_DELETE.because(
                    "disk "
                            + id.uuid()
                            + " cannot go: other images rest on it: "
                            + children.stream().map(VolumeId::toString).sorted().toList());
        }
    }

    @Override
    public DiskChanges destroy(UUID vdi, Operation operation) {
        return lock.beside(() -> destroyNow(vdi, operation));
    }

    private DiskChanges destroyNow(UUID vdi, Operation operation) {
        refuseActive(vdi);
        Optional<VolumeId> image = volume(vdi).map(VolumeInfo::id);
        if (image.isEmpty() && !tracking.isTracked(vdi)) {
            require(vdi);
        }
        synchronized (removal) {
            image.ifPresent(id -> refuseChildren(id, operation));
            try (LogRemoval log = tracking.remove(vdi, operation)) {
                List<VolumeId> gone = new ArrayList<>(image.stream().toList());
                if (tracking.isTracked(vdi)) {
                    gone.add(ChangeTracking.log(vdi));
                }
                image.ifPresent(id -> gone.addAll(tree.orphansWithout(id)));
                DiskChanges changes = removeAll(gone);
                log.finish();
                return changes;
            }
        }
    }

    private DiskChanges removeAll(List<VolumeId> gone) {
        merges.cancelTouching(gone);
        List<VolumeId> removed = remove(gone);
        removed.forEach(tree::remove);
        return new DiskChanges(List.of(), removed.stream().map(VolumeId::uuid).distinct().toList());
    }

    @Override
    public DiskChanges destroyData(UUID snapshot, Operation operation) {
        return lock.beside(() -> destroyDataNow(snapshot, operation));
    }

    private DiskChanges destroyDataNow(UUID snapshot, Operation operation) {
        refuseActive(snapshot);
        VolumeInfo source = require(snapshot);
        if (DiskAttributes.snapshot(source.attributes()).isEmpty()) {
            throw ErrorCode.OPERATION_NOT_ALLOWED.with("disk " + snapshot + " is not a snapshot");
        }
        if (!tracking.isTracked(snapshot)) {
            throw ErrorCode.VDI_NO_CBT_METADATA.with(snapshot.toString());
        }
        synchronized (removal) {
            refuseChildren(source.id(), operation);
            VolumeId log = ChangeTracking.log(snapshot);
            store.commit(List.of(new VolumeChange.SetAttributes(log, source.attributes())));
            List<VolumeId> gone = new ArrayList<>(List.of(source.id()));
            gone.addAll(tree.orphansWithout(source.id()));
            List<UUID> removed = new ArrayList<>(removeAll(gone).removed());
            removed.remove(snapshot);
            return new DiskChanges(logOnly.find(snapshot, operation).stream().toList(), removed);
        }
    }

    /**
     * Removes a disk and inner nodes, in one commit if that is possible: it is not while a node is
     * still open for somebody, or when a full store has no room for the journal of a commit of
     * several changes. Then the disk goes, and of the nodes as many as can.
     */
    private List<VolumeId> remove(List<VolumeId> gone) {
        try {
            store.commit(
                    gone.stream().map(id -> (VolumeChange) new VolumeChange.Delete(id)).toList());
            return gone;
        } catch (StorageException e) {
            boolean singly =
                    gone.size() > 1
                            && (e.code() == ErrorCode.SR_VDI_IN_USE
                                    || e.code() == ErrorCode.SR_NO_SPACE);
            if (!singly) {
                throw e;
            }
        }
        List<VolumeId> removed = new ArrayList<>();
        for (VolumeId id : gone) {
            if (!removeOne(id, removed.isEmpty())) {
                break;
            }
            removed.add(id);
        }
        return removed;
    }

    private boolean removeOne(VolumeId id, boolean must) {
        try {
            store.commit(List.of(new VolumeChange.Delete(id)));
            return true;
        } catch (StorageException e) {
            if (must || e.code() != ErrorCode.SR_VDI_IN_USE) {
                throw e;
            }
            return false;
        }
    }

    // ---- keeping chains short

    @Override
    public List<Merge> merges(Operation operation) {
        return lock.beside(() -> merges.candidates(operation));
    }

    @Override
    public RunningMerge merge(Merge merge, Operation operation) {
        return merges.begin(merge, operation);
    }

    @Override
    public List<UUID> removeGarbage(Operation operation) {
        return merges.removeGarbage(operation);
    }

    @Override
    public void recover(Operation operation) {
        merges.recover(operation);
    }

    // ---- changing

    @Override
    public VdiInfo resize(UUID vdi, long virtualSizeBytes, Operation operation) {
        return lock.beside(() -> resizeNow(vdi, virtualSizeBytes, operation));
    }

    private VdiInfo resizeNow(UUID vdi, long virtualSizeBytes, Operation operation) {
        VolumeInfo volume = require(vdi);
        ImageFormat format = format(volume.id().kind());
        long size = allowedSize(format, vdi, virtualSizeBytes);
        Optional<ActiveVdi> active = engine.find(vdi);
        if (active.isPresent()) {
            grow(active.get(), size, operation);
        } else {
            refuseChildren(volume.id(), operation);
            merges.cancelTouching(List.of(volume.id()));
            ActiveVdi idle = engine.open(vdi, leaf(volume, true), true, operation);
            try {
                grow(idle, size, operation);
            } catch (RuntimeException | Error e) {
                closeAfter(idle, e);
                throw e;
            }
            idle.close(operation);
        }
        tracking.resized(vdi, size, operation);
        return inspect(vdi, operation);
    }

    private void grow(ActiveVdi vdi, long size, Operation operation) {
        long now = vdi.device().geometry().sizeBytes();
        if (size < now) {
            throw ErrorCode.VDI_TOO_SMALL.with(vdi.uuid().toString(), Long.toString(now));
        }
        if (size > now) {
            OpenVolume volume = vdi.leaf().volume();
            VolumeId id = volume.volume().id();
            parents.allocation().makeRoom(volume.access(operation), id, format(id.kind()), size);
            vdi.resize(size, operation);
        }
    }

    @Override
    public VdiInfo rename(UUID vdi, String label, String description) {
        return lock.beside(
                () -> {
                    synchronized (notes) {
                        return renameNow(vdi, label, description);
                    }
                });
    }

    private VdiInfo renameNow(UUID vdi, String label, String description) {
        VolumeInfo volume = require(vdi);
        Map<String, String> attributes = new HashMap<>(volume.attributes());
        attributes.put(DiskAttributes.LABEL, label);
        attributes.put(DiskAttributes.DESCRIPTION, description);
        store.commit(List.of(new VolumeChange.SetAttributes(volume.id(), attributes)));
        return inspect(vdi, Operation.unbounded("look at a disk", clock()));
    }

    @Override
    public VdiInfo remember(UUID vdi, DiskNotes notes) {
        return lock.beside(
                () -> {
                    synchronized (this.notes) {
                        return rememberNow(vdi, notes);
                    }
                });
    }

    private VdiInfo rememberNow(UUID vdi, DiskNotes notes) {
        VolumeInfo volume = require(vdi);
        if (volume.attributes().isEmpty()) {
            store.commit(
                    List.of(new VolumeChange.SetAttributes(volume.id(), DiskAttributes.of(notes))));
        }
        return inspect(vdi, Operation.unbounded("look at a disk", clock()));
    }

    // ---- using

    /** An image that others rest on is not written: they would see it. */
    @Override
    public ActiveVdi activate(UUID vdi, boolean writable, Operation operation) {
        return lock.beside(() -> activateNow(vdi, writable, operation));
    }

    private ActiveVdi activateNow(UUID vdi, boolean writable, Operation operation) {
        VolumeInfo volume = require(vdi);
        merges.cancelTouching(List.of(volume.id()));
        if (writable) {
            inspector.completeTree(operation);
            Set<VolumeId> children = tree.children(volume.id());
            if (!children.isEmpty()) {
                throw ErrorCode.SR_VDI_IN_USE.because(
                        "disk "
                                + vdi
                                + " cannot be written: other images rest on it: "
                                + children.stream().map(VolumeId::toString).sorted().toList());
            }
        }
        Function<List<BlockFilter>, ActiveVdi> open =
                filters ->
                        engine.activate(
                                vdi,
                                leaf(volume, writable),
                                writable,
                                operation,
                                List.of(),
                                writable ? withRoom(filters) : filters);
        if (!writable) {
            return open.apply(List.of());
        }
        refuseTrackedSnapshot(volume);
        return tracking.activate(vdi, open, operation);
    }

    /** Next to the image, so that all who stand in front see a write end once. */
    private List<BlockFilter> withRoom(List<BlockFilter> filters) {
        List<BlockFilter> all = new ArrayList<>(List.of(new RoomFilter(room)));
        all.addAll(filters);
        return all;
    }

    /** Later disks are compared with what it holds now. */
    private void refuseTrackedSnapshot(VolumeInfo volume) {
        UUID vdi = volume.id().uuid();
        if (DiskAttributes.snapshot(volume.attributes()).isPresent() && tracking.isTracked(vdi)) {
            throw ErrorCode.VDI_CBT_ENABLED.with(vdi.toString());
        }
    }

    // ---- changed blocks

    @Override
    public VdiInfo trackChanges(UUID vdi, boolean tracked, Operation operation) {
        if (tracked) {
            VolumeInfo volume = require(vdi);
            if (DiskAttributes.snapshot(volume.attributes()).isPresent()) {
                throw ErrorCode.OPERATION_NOT_ALLOWED.with("disk " + vdi + " is a snapshot");
            }
            tracking.enable(vdi, inspect(vdi, operation).virtualSizeBytes(), operation);
        } else {
            require(vdi); // what has nothing but its log is destroyed, and not switched off
            tracking.disable(vdi, operation);
        }
        return inspect(vdi, operation);
    }

    @Override
    public ChangedBlocks changedBlocks(UUID from, UUID to, Operation operation) {
        VdiInfo later =
                find(to).orElseThrow(
                                () ->
                                        ErrorCode.VDI_NOT_ON_STORAGE.because(
                                                "there is no disk " + to + " in this repository"));
        return tracking.between(from, to, later.virtualSizeBytes(), operation);
    }

    @Override
    public List<UUID> comparable(UUID vdi, Operation operation) {
        return tracking.line(vdi, operation);
    }

    @Override
    public List<UUID> followers(UUID vdi, Operation operation) {
        return tracking.followers(vdi, operation);
    }
}
