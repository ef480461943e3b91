// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.engine.OpenLayer;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.ImagePatch;
import dev.varve.vdi.image.ImageRole;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;
import dev.varve.vdi.time.RandomSource;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Changes the role of an image and names of volumes together, all or nothing.
 *
 * <table>
 * <caption>steps, and what {@link #recover} does after a crash behind each</caption>
 * <tr><td>(1) The journal is written as a volume of kind INCOMING and flushed.</td><td>{@link
 * VolumeStore#recover()} removes it; nothing has changed</td></tr>
 * <tr><td>(2) A commit gives it the kind JOURNAL.</td><td>does (3) and (4)</td></tr>
 * <tr><td>(3) The patches are written to the image and flushed.</td><td>does what is missing of (3),
 * and (4)</td></tr>
 * <tr><td>(4) One commit changes the names and removes the journal.</td><td>nothing; all of it has
 * happened</td></tr>
 * </table>
 *
 * <p><b>Threads:</b> any; calls on one tree one after the other, and {@link #recover} by itself.
 */
final class RolePlans {
    private final VolumeStore store;
    private final VdiEngine engine;
    private final StoreParents parents;
    private final RandomSource random;

    RolePlans(VolumeStore store, VdiEngine engine, StoreParents parents, RandomSource random) {
        this.store = store;
        this.engine = engine;
        this.parents = parents;
        this.random = random;
    }

    /**
     * Carries out a change.
     *
     * @param image the image, open for writing
     * @param role its new role
     * @param renames the names that change
     * @param seal whether the image is put in order, or goes on being written
     * @throws StorageException when nothing has changed, or when it has to be finished by {@link
     *     #recover} because it could not be undone either
     */
    void carryOut(
            OpenLayer image,
            ImageRole role,
            List<VolumeChange.Rename> renames,
            boolean seal,
            Operation operation) {
        VolumeId id = image.volume().volume().id();
        BlockAccess access = image.volume().access(operation);
        ImageRole before = ImageRole.of(image.layer().info());
        List<ImagePatch> patches = format(id).patches(access, role);
        VolumeId journal = write(new PlanJournal(id, role, patches, renames), operation);
        boolean[] unknown = new boolean[1];
        try {
            change(image, access, patches, seal);
            List<VolumeChange> changes = new ArrayList<>(renames);
            changes.add(new VolumeChange.Delete(journal));
            StoreCommits.commitOrLearn(
                    store, changes, () -> store.find(journal).isEmpty(), () -> unknown[0] = true);
        } catch (StorageException e) {
            if (!unknown[0]) {
                undo(image, access, before, journal, seal, e);
            }
            throw e;
        }
    }

    private ImageFormat format(VolumeId id) {
        return parents.format(id);
    }

    private static void change(
            OpenLayer image, BlockAccess access, List<ImagePatch> patches, boolean seal) {
        ImagePatch.apply(patches, access);
        image.layer().reread(access);
        if (seal) {
            image.layer().seal(access, image.layer().info().hidden());
        }
    }

    private void undo(
            OpenLayer image,
            BlockAccess access,
            ImageRole before,
            VolumeId journal,
            boolean seal,
            StorageException reason) {
        try {
            VolumeId id = image.volume().volume().id();
            change(image, access, format(id).patches(access, before), seal);
            store.commit(List.of(new VolumeChange.Delete(journal)));
        } catch (StorageException e) {
            reason.addSuppressed(e);
        }
    }

    private VolumeId write(PlanJournal plan, Operation operation) {
        VolumeId incoming = new VolumeId(VolumeKind.INCOMING, random.uuid());
        VolumeId journal = new VolumeId(VolumeKind.JOURNAL, incoming.uuid());
        byte[] content = plan.encode();
        store.commit(List.of(new VolumeChange.Create(incoming, content.length, Map.of())));
        try {
            try (OpenVolume open = engine.open(store.open(incoming, true), true)) {
                BlockAccess access = open.access(operation);
                access.write(0, content);
                access.flush();
            }
            StoreCommits.commitOrLearn(
                    store,
                    List.of(new VolumeChange.Rename(incoming, journal)),
                    () -> store.find(incoming).isEmpty());
        } catch (StorageException e) {
            StoreCommits.attempt(e, () -> store.commit(List.of(new VolumeChange.Delete(incoming))));
            throw e;
        }
        return journal;
    }

    // ---- after a crash

    /** Whether something is left to be finished. */
    boolean isUnfinished() {
        return store.ids().stream().anyMatch(id -> id.kind() == VolumeKind.JOURNAL);
    }

    /**
     * What was finished.
     *
     * @param changed the volumes whose names now stand for something else
     * @param nameless images that have lost their names, which may still be read
     */
    record Finished(List<VolumeId> changed, List<VolumeId> nameless) {}

    /** Finishes what a crash or a failure interrupted. */
    Finished recover(Operation operation) {
        Finished finished = new Finished(new ArrayList<>(), new ArrayList<>());
        for (VolumeId id : store.ids()) {
            if (id.kind() == VolumeKind.JOURNAL) {
                finish(id, finished, operation);
            }
        }
        return finished;
    }

    private void finish(VolumeId journal, Finished finished, Operation operation) {
        PlanJournal plan = read(journal, operation);
        List<VolumeId> changed = finished.changed();
        List<VolumeChange> changes = new ArrayList<>();
        if (store.find(plan.image()).isPresent()) {
            changed.add(plan.image());
            finishRole(plan, operation);
            for (VolumeChange.Rename rename : plan.renames()) {
                if (store.find(rename.from()).isPresent()) {
                    changed.add(rename.from());
                    changes.add(rename);
                }
            }
        }
        changes.add(new VolumeChange.Delete(journal));
        store.commit(changes);
        plan.renames().stream()
                .map(VolumeChange.Rename::to)
                .filter(to -> to.kind() == VolumeKind.INCOMING && store.find(to).isPresent())
                .forEach(finished.nameless()::add);
    }

    private PlanJournal read(VolumeId journal, Operation operation) {
        try (OpenVolume open = engine.open(store.open(journal, false), false)) {
            BlockAccess access = open.access(operation);
            if (access.sizeBytes() < PlanJournal.SECTOR) {
                throw ErrorCode.SR_METADATA.because("the journal " + journal + " is empty");
            }
            int length = PlanJournal.length(access.read(0, PlanJournal.SECTOR), journal);
            int there = (int) Math.min(length, access.sizeBytes());
            return PlanJournal.decode(Arrays.copyOf(access.read(0, there), length), journal);
        }
    }

    /**
     * An image that can be read may have become larger since, so what it needs is worked out anew;
     * one that cannot has only a part of what was to be written.
     */
    private void finishRole(PlanJournal plan, Operation operation) {
        ImageFormat format = format(plan.image());
        try (OpenVolume open = engine.open(parents.open(plan.image(), true), true)) {
            open.keepLeftovers(operation);
            BlockAccess access = open.access(operation);
            Optional<List<ImagePatch>> anew = patches(format, access, plan.role());
            ImagePatch.apply(anew.orElse(plan.patches()), access);
            ImageLayer layer = format.open(access, true);
            layer.seal(access, plan.role().hidden());
        }
    }

    private static Optional<List<ImagePatch>> patches(
            ImageFormat format, BlockAccess access, ImageRole role) {
        try {
            return Optional.of(format.patches(access, role));
        } catch (StorageException e) {
            if (e.code() == ErrorCode.VDI_LOAD) {
                return Optional.empty();
            }
            throw e;
        }
    }
}
