// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.testing;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.cbt.ChangedBlocks;
import dev.varve.vdi.disk.DiskChanges;
import dev.varve.vdi.disk.DiskContent;
import dev.varve.vdi.disk.DiskDifference;
import dev.varve.vdi.disk.DiskNotes;
import dev.varve.vdi.disk.DiskReading;
import dev.varve.vdi.disk.DiskService;
import dev.varve.vdi.disk.Merge;
import dev.varve.vdi.disk.RunningMerge;
import dev.varve.vdi.disk.SnapshotMark;
import dev.varve.vdi.disk.SnapshotSpec;
import dev.varve.vdi.disk.VdiInfo;
import dev.varve.vdi.disk.VdiSpec;
import dev.varve.vdi.disk.VdiState;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.store.VolumeKind;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.Predicate;

/**
 * The disks of a medium in memory: trees with inner nodes that nobody sees, as the real ones are,
 * but without any data.
 *
 * @param active whether a disk is active
 */
record FakeDisks(FakeStorage.Medium medium, Predicate<UUID> active) implements DiskService {
    private static final int NODE_BYTES = 4096;

    @Override
    public List<VdiInfo> scan(Operation operation) {
        medium.need();
        if (medium.scanBroken) {
            throw ErrorCode.SR_SCAN_FAILED.because("the list cannot be read");
        }
        List<VdiInfo> found = new ArrayList<>(medium.disks.values());
        medium.afterList.run();
        return found;
    }

    @Override
    public Optional<VdiInfo> find(UUID vdi) {
        return Optional.ofNullable(medium.disks.get(vdi));
    }

    private VdiInfo require(UUID vdi) {
        return find(vdi)
                .orElseThrow(() -> ErrorCode.VDI_NOT_ON_STORAGE.because("there is no disk " + vdi));
    }

    private VdiInfo put(VdiInfo info) {
        medium.disks.put(info.uuid(), info);
        return info;
    }

    @Override
    public VdiInfo create(VdiSpec spec, Operation operation) {
        medium.need();
        medium.beforeCreate.run();
        operation.checkpoint();
        VdiInfo info =
                new VdiInfo(
                        spec.uuid(),
                        spec.kind(),
                        spec.virtualSizeBytes(),
                        NODE_BYTES,
                        spec.readOnly(),
                        true,
                        spec.label(),
                        spec.description(),
                        Optional.empty(),
                        Optional.empty(),
                        smConfig(spec.kind(), Optional.empty()),
                        false,
                        new VdiState.Valid());
        return put(info);
    }

    private static Map<String, String> smConfig(VolumeKind kind, Optional<UUID> parent) {
        Map<String, String> config = new TreeMap<>();
        config.put("vdi_type", kind == VolumeKind.VHD ? "vhd" : "aio");
        parent.ifPresent(uuid -> config.put("vhd-parent", uuid.toString()));
        return config;
    }

    @Override
    public VdiInfo create(VdiSpec spec, DiskContent content, Operation operation) {
        throw new UnsupportedOperationException("there is no data here");
    }

    @Override
    public DiskChanges snapshot(List<SnapshotSpec> snapshots, Operation operation) {
        medium.need();
        snapshots.forEach(spec -> refuseRaw(require(spec.source())));
        medium.beforeFork.run();
        operation.checkpoint();
        List<VdiInfo> taken = new ArrayList<>();
        List<VdiInfo> others = new ArrayList<>();
        for (SnapshotSpec spec : snapshots) {
            SnapshotMark mark = new SnapshotMark(Optional.of(spec.source()), medium.snapshotMillis);
            taken.add(fork(spec.source(), spec.snapshot(), Optional.of(mark), others));
        }
        taken.addAll(others);
        return new DiskChanges(taken, List.of());
    }

    @Override
    public DiskChanges clone(UUID source, UUID clone, Operation operation) {
        medium.need();
        refuseRaw(require(source));
        medium.beforeFork.run();
        operation.checkpoint();
        List<VdiInfo> changed = new ArrayList<>();
        changed.addFirst(fork(source, clone, Optional.empty(), changed));
        return new DiskChanges(changed, List.of());
    }

    private static void refuseRaw(VdiInfo disk) {
        if (disk.kind() == VolumeKind.RAW) {
            throw ErrorCode.SR_NOT_IMPLEMENTED.because("raw disks have no snapshots");
        }
    }

    /** Makes what a disk holds an inner node, with the disk and another one on it. */
    private VdiInfo fork(
            UUID source, UUID other, Optional<SnapshotMark> mark, List<VdiInfo> changed) {
        VdiInfo disk = require(source);
        VdiInfo base = put(on(disk, UUID.randomUUID(), disk.parent(), Optional.empty(), false));
        Optional<UUID> parent = Optional.of(base.uuid());
        changed.add(put(on(disk, source, parent, disk.snapshot(), true)));
        changed.add(base);
        return put(on(disk, other, parent, mark, true));
    }

    /** A node like another one in another place of the tree. */
    private static VdiInfo on(
            VdiInfo like,
            UUID uuid,
            Optional<UUID> parent,
            Optional<SnapshotMark> mark,
            boolean managed) {
        return new VdiInfo(
                uuid,
                like.kind(),
                like.virtualSizeBytes(),
                NODE_BYTES,
                like.readOnly(),
                managed,
                like.label(),
                like.description(),
                parent,
                mark,
                smConfig(like.kind(), parent),
                false,
                like.state());
    }

    @Override
    public DiskChanges revert(UUID vdi, UUID snapshot, Operation operation) {
        VdiInfo disk = require(vdi);
        VdiInfo wanted = require(snapshot);
        if (active.test(vdi)) {
            throw ErrorCode.SR_VDI_IN_USE.because("disk " + vdi + " is active");
        }
        if (!wanted.snapshot().flatMap(SnapshotMark::of).equals(Optional.of(vdi))) {
            throw ErrorCode.OPERATION_NOT_ALLOWED.with(snapshot + " is not a snapshot of " + vdi);
        }
        VdiInfo moved = on(disk, vdi, wanted.parent(), disk.snapshot(), true);
        VdiInfo reverted =
                put(change(moved, wanted.virtualSizeBytes(), disk.label(), disk.description()));
        List<UUID> removed = new ArrayList<>();
        sweep(disk.parent(), removed);
        return new DiskChanges(List.of(reverted), removed);
    }

    /** Removes inner nodes that nothing rests on. */
    private void sweep(Optional<UUID> from, List<UUID> removed) {
        Optional<UUID> node = from;
        while (node.isPresent() && !require(node.get()).managed() && !carries(node.get())) {
            removed.add(node.get());
            node = medium.disks.remove(node.get()).parent();
        }
    }

    private boolean carries(UUID node) {
        return medium.disks.values().stream()
                .anyMatch(info -> info.parent().equals(Optional.of(node)));
    }

    @Override
    public VdiInfo copy(UUID source, DiskService target, VdiSpec spec, Operation operation) {
        medium.need();
        require(source);
        return target.create(spec, operation);
    }

    @Override
    public void read(UUID vdi, DiskReading reading, Operation operation) {
        throw new UnsupportedOperationException("there is no data here");
    }

    @Override
    public void compare(UUID base, UUID vdi, DiskDifference.Reading reading, Operation operation) {
        throw new UnsupportedOperationException("there is no data here");
    }

    @Override
    public DiskChanges replace(UUID vdi, DiskContent content, Operation operation) {
        throw new UnsupportedOperationException("there is no data here");
    }

    @Override
    public DiskChanges overwrite(UUID vdi, DiskContent content, Operation operation) {
        throw new UnsupportedOperationException("there is no data here");
    }

    private static VdiInfo change(VdiInfo old, long size, String label, String description) {
        return new VdiInfo(
                old.uuid(),
                old.kind(),
                size,
                NODE_BYTES,
                old.readOnly(),
                old.managed(),
                label,
                description,
                old.parent(),
                old.snapshot(),
                old.smConfig(),
                old.cbtEnabled(),
                old.state());
    }

    @Override
    public VdiInfo resize(UUID vdi, long virtualSizeBytes, Operation operation) {
        VdiInfo old = require(vdi);
        return put(change(old, virtualSizeBytes, old.label(), old.description()));
    }

    /** Nothing here ever has to be merged. */
    @Override
    public List<Merge> merges(Operation operation) {
        return List.of();
    }

    @Override
    public RunningMerge merge(Merge merge, Operation operation) {
        throw ErrorCode.SR_NOT_IMPLEMENTED.because("there is nothing to merge in memory");
    }

    @Override
    public List<UUID> removeGarbage(Operation operation) {
        return List.of();
    }

    @Override
    public void recover(Operation operation) {}

    @Override
    public DiskChanges destroy(UUID vdi, Operation operation) {
        VdiInfo gone = require(vdi);
        if (carries(vdi)) {
            throw ErrorCode.VDI_DELETE.because("other disks rest on " + vdi);
        }
        medium.disks.remove(vdi);
        List<UUID> removed = new ArrayList<>(List.of(vdi));
        sweep(gone.parent(), removed);
        List<VdiInfo> left = gone.parent().flatMap(this::find).stream().toList();
        medium.afterDestroy.run();
        return new DiskChanges(left, removed);
    }

    @Override
    public VdiInfo rename(UUID vdi, String label, String description) {
        VdiInfo old = require(vdi);
        return put(change(old, old.virtualSizeBytes(), label, description));
    }

    @Override
    public VdiInfo trackChanges(UUID vdi, boolean tracked, Operation operation) {
        throw new UnsupportedOperationException("there are no blocks here");
    }

    @Override
    public DiskChanges destroyData(UUID snapshot, Operation operation) {
        throw new UnsupportedOperationException("there are no blocks here");
    }

    @Override
    public ChangedBlocks changedBlocks(UUID from, UUID to, Operation operation) {
        throw new UnsupportedOperationException("there are no blocks here");
    }

    @Override
    public List<UUID> comparable(UUID vdi, Operation operation) {
        return List.of();
    }

    @Override
    public List<UUID> followers(UUID vdi, Operation operation) {
        return List.of();
    }

    @Override
    public VdiInfo remember(UUID vdi, DiskNotes notes) {
        VdiInfo old = require(vdi);
        return old.hasNoNotes() ? put(old.with(notes)) : old;
    }

    @Override
    public ActiveVdi activate(UUID vdi, boolean writable, Operation operation) {
        throw new UnsupportedOperationException("there is no data here");
    }
}
