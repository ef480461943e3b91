// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.cbt.LogRestart;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.ParentSource;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.store.StoreVolume;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;
import dev.varve.vdi.time.RandomSource;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Supplier;

/**
 * Puts new content over that of a disk without copying anything.
 *
 * <p><b>Write order</b>, and what a crash after each step leaves:
 *
 * <table>
 * <caption>steps</caption>
 * <tr><th>step</th><th>after a crash</th></tr>
 * <tr><td>(1) An image that rests on the disk's leaf is made as a volume of kind INCOMING, filled
 * and synced. It names the leaf by the name that step (2) gives that.</td><td>{@link
 * VolumeStore#recover()} removes it; the disk is as it was</td></tr>
 * <tr><td>(2) One commit renames the leaf to a base copy, marks it, and gives the new image the
 * disk's name.</td><td>the disk as it was, or with the new content</td></tr>
 * <tr><td>(3) The base copy is marked in its own footers.</td><td>it is put in order when it is
 * opened next</td></tr>
 * </table>
 *
 * <p><b>Threads:</b> any; calls on one disk one after the other. The disk is not active.
 */
final class ContentOver {
    private final VolumeStore store;
    private final VdiEngine engine;
    private final StoreParents parents;
    private final RandomSource random;

    ContentOver(VolumeStore store, VdiEngine engine, StoreParents parents, RandomSource random) {
        this.store = store;
        this.engine = engine;
        this.parents = parents;
        this.random = random;
    }

    /**
     * Puts the content over the disk's.
     *
     * @param logs begins the change of its log of changed blocks, for the commit
     * @return the base copy that was made
     */
    VolumeId put(
            VolumeInfo disk, DiskContent content, Supplier<LogRestart> logs, Operation operation) {
        ImageFormat format = parents.format(disk.id());
        VolumeId base = new VolumeId(disk.id().kind(), random.uuid());
        VolumeId incoming = new VolumeId(VolumeKind.INCOMING, random.uuid());
        ImageSpec spec = over(disk.id(), base, format, operation);
        long size = parents.allocation().firstBytes(format, spec, disk.attributes(), true);
        store.commit(List.of(new VolumeChange.Create(incoming, size, disk.attributes())));
        try {
            makeImage(incoming, format, spec, operation);
            fill(disk.id(), base, incoming, format, content, operation);
            operation.checkpoint();
            commit(disk.id(), base, incoming, logs);
        } catch (RuntimeException | Error e) {
            undo(incoming, e);
            throw e;
        }
        seal(base, format, operation);
        return base;
    }

    private void commit(
            VolumeId disk, VolumeId base, VolumeId incoming, Supplier<LogRestart> logs) {
        try (LogRestart log = logs.get()) {
            List<VolumeChange> changes = new ArrayList<>(log.changes());
            changes.add(new VolumeChange.Rename(disk, base));
            changes.add(new VolumeChange.SetMarks(base, false, true));
            changes.add(new VolumeChange.SetAttributes(base, DiskAttributes.ofBaseCopy()));
            changes.add(new VolumeChange.Rename(incoming, disk));
            StoreCommits.commitOrLearn(store, changes, () -> store.find(incoming).isEmpty());
            log.finish();
        }
    }

    /** An empty image over the disk's, which will be called the base copy. */
    private ImageSpec over(VolumeId disk, VolumeId base, ImageFormat format, Operation operation) {
        ImageInfo leaf;
        try (OpenVolume open = engine.open(store.open(disk, false), false)) {
            leaf = format.inspect(open.access(operation));
        }
        UUID image =
                leaf.uuid()
                        .orElseThrow(
                                () ->
                                        ErrorCode.VDI_LOAD.because(
                                                "the image of disk "
                                                        + disk.uuid()
                                                        + " has no UUID"));
        return new ImageSpec(
                random.uuid(),
                leaf.sizeBytes(),
                Long.MAX_VALUE,
                Optional.of(new ParentLink(store.nameOf(base), image)));
    }

    private void makeImage(
            VolumeId incoming, ImageFormat format, ImageSpec spec, Operation operation) {
        try (OpenVolume open = engine.open(parents.open(incoming, true), true)) {
            BlockAccess access = open.access(operation);
            parents.allocation().makeRoom(access, incoming, format, spec.sizeBytes());
            format.create(access, spec, operation);
        }
    }

    private void fill(
            VolumeId disk,
            VolumeId base,
            VolumeId incoming,
            ImageFormat format,
            DiskContent content,
            Operation operation) {
        ActiveVdi target =
                engine.open(
                        disk.uuid(),
                        new VdiEngine.Leaf(
                                parents.open(incoming, true),
                                format,
                                new BeforeRename(parents, store.nameOf(base), disk)),
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

    private static void closeAfter(ActiveVdi vdi, Throwable failure) {
        try {
            vdi.close(Operation.unbounded("close disk " + vdi.uuid(), vdi.lane().clock()));
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

    private void seal(VolumeId base, ImageFormat format, Operation operation) {
        try (OpenVolume open = engine.open(parents.open(base, true), true)) {
            ImageLayer layer = format.open(open.access(operation), true);
            layer.seal(open.access(operation), true);
        }
    }

    /** What the new image rests on still has the disk's name while the image is filled. */
    private record BeforeRename(ParentSource parents, String base, VolumeId disk)
            implements ParentSource {
        @Override
        public VolumeId find(ParentLink link) {
            return link.names().contains(base) ? disk : parents.find(link);
        }

        @Override
        public StoreVolume open(VolumeId id, boolean writable) {
            return parents.open(id, writable);
        }

        @Override
        public ImageFormat format(VolumeId id) {
            return parents.format(id);
        }

        @Override
        public boolean isHidden(VolumeId id) {
            return parents.isHidden(id);
        }
    }
}
