// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.OpenLayer;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageFormat;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImageLayer;
import dev.varve.vdi.image.ImageSpec;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;
import dev.varve.vdi.time.RandomSource;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;

/**
 * Makes images that begin with the content of a disk and share it: for snapshots, clones and
 * reverts.
 *
 * <p>A disk whose leaf holds data is <i>split</i>: the leaf becomes an inner node under a new name,
 * a base copy, and the disk and the new image are empty images that rest on it. A disk whose leaf
 * is empty shows what is below that, so the new image rests on the same and the disk stays as it
 * is.
 *
 * <p><b>Write order</b> of a split, and what a crash after each step leaves:
 *
 * <table>
 * <caption>steps</caption>
 * <tr><th>step</th><th>after a crash</th></tr>
 * <tr><td>(1) The leaf is put in order, if the disk is not active.</td><td>nothing has
 * changed</td></tr>
 * <tr><td>(2) The empty images are made as volumes of kind INCOMING, and synced.</td><td>{@link
 * VolumeStore#recover()} removes them</td></tr>
 * <tr><td>(3) One commit renames the leaf to the base copy, marks it, and gives the new images their
 * names.</td><td>nothing, or the whole new tree: what an active disk wrote until the crash is in
 * the base copy, and so in both images; nobody was told of the new one yet</td></tr>
 * <tr><td>(4) An active disk changes over to its new image between two requests, several disks at
 * one instant.</td><td>as after (3), and what was flushed since is in the new leaf</td></tr>
 * <tr><td>(5) When the last write to the base copy is durable it is put in order: bitmaps, table,
 * batmap, footers that say that it is an inner node.</td><td>the base copy is unclean or does not
 * say what it is; it is put in order when it is opened next</td></tr>
 * </table>
 *
 * Because the names are durable before the first write goes to a new leaf, no flush has to wait for
 * them.
 *
 * <p><b>Threads:</b> any; calls on one disk one after the other.
 */
final class ImageBranches {
    /**
     * A new image with the content of a disk.
     *
     * @param source the disk
     * @param uuid of the new disk
     * @param maximumBytes how large it can become without moving anything; 0 when it is going to be
     *     read only
     * @param attributes of the new disk
     */
    record Branch(VolumeInfo source, UUID uuid, long maximumBytes, Map<String, String> attributes) {
        VolumeId incoming() {
            return new VolumeId(VolumeKind.INCOMING, uuid);
        }
    }

    /**
     * An empty image that is to be made.
     *
     * @param isWritten whether somebody is going to write to it
     */
    private record NewImage(
            VolumeId id, ImageSpec spec, Map<String, String> attributes, boolean isWritten) {}

    /** What happens to a source. */
    private static final class Plan {
        final Branch branch;
        final ImageFormat format;
        final Optional<ActiveVdi> active;

        /** For a split: the name of the base copy, and of the new leaf while it is made. */
        VolumeId base;

        VolumeId newLeaf;

        /** The empty images. */
        final List<NewImage> images = new ArrayList<>();

        /** For a split of an active disk: its new leaf. */
        OpenLayer child;

        Plan(Branch branch, ImageFormat format, Optional<ActiveVdi> active) {
            this.branch = branch;
            this.format = format;
            this.active = active;
        }

        boolean isSplit() {
            return base != null;
        }
    }

    private final VolumeStore store;
    private final VdiEngine engine;
    private final StoreParents parents;
    private final RandomSource random;

    ImageBranches(VolumeStore store, VdiEngine engine, StoreParents parents, RandomSource random) {
        this.store = store;
        this.engine = engine;
        this.parents = parents;
        this.random = random;
    }

    /** Told what else the commit has to do. */
    interface Finish {
        /** Changes that belong to the same commit; the new images are volumes of kind INCOMING. */
        List<VolumeChange> changes();

        /** What is to be done on a disk's lane at the instant at which it changes over. */
        default Runnable atOnce(UUID disk) {
            return () -> {};
        }

        /** Whether something goes by the disk's new leaf, so that it gets one in any case. */
        default boolean splits(UUID disk) {
            return false;
        }
    }

    /**
     * Makes the images, all with the content of the same instant.
     *
     * @param finish what the commit does with the new images
     * @return the base copies that were made
     */
    List<VolumeId> make(List<Branch> branches, Finish finish, Operation operation) {
        List<Plan> plans = new ArrayList<>();
        try {
            for (Branch branch : branches) {
                boolean alone = branches.size() == 1;
                boolean mayStay = alone && !finish.splits(branch.source().id().uuid());
                plans.add(plan(branch, mayStay, operation));
            }
            for (Plan plan : plans) {
                planImages(plan, operation);
            }
            makeVolumes(plans);
            for (Plan plan : plans) {
                operation.checkpoint();
                makeImages(plan, operation);
            }
            commit(plans, finish);
        } catch (RuntimeException | Error e) {
            plans.forEach(plan -> undo(plan, e));
            throw e;
        }
        changeOver(plans, finish, operation);
        return plans.stream().filter(Plan::isSplit).map(plan -> plan.base).toList();
    }

    // ---- (1) what to do

    private Plan plan(Branch branch, boolean mayStay, Operation operation) {
        VolumeId source = branch.source().id();
        ImageFormat format = parents.format(source);
        if (!format.hasParents()) {
            throw ErrorCode.SR_NOT_IMPLEMENTED.because(
                    "disk %s is of format %s, which has neither snapshots nor clones; copy it to a"
                                    .formatted(source.uuid(), format.name())
                            + " new disk of format vhd");
        }
        Optional<ActiveVdi> active = engine.find(source.uuid()).filter(ActiveVdi::isWritable);
        Plan plan = new Plan(branch, format, active);
        // Of several disks, one that is written could be empty at another instant than the others
        // change over.
        boolean empty =
                active.isPresent()
                        ? mayStay && isEmptyNow(active.get())
                        : isEmptyInOrder(source, format, operation);
        if (!empty) {
            plan.base = new VolumeId(source.kind(), random.uuid());
            plan.newLeaf = new VolumeId(VolumeKind.INCOMING, random.uuid());
        }
        return plan;
    }

    /** At this instant the disk shows what its leaf rests on, and so will the new image. */
    static boolean isEmptyNow(ActiveVdi vdi) {
        return vdi.lane()
                .waiting()
                .join(
                        CompletableFuture.supplyAsync(
                                () -> vdi.leaf().layer().isEmpty(), vdi.lane()::execute));
    }

    private boolean isEmptyInOrder(VolumeId source, ImageFormat format, Operation operation) {
        boolean clean;
        boolean empty;
        try (OpenVolume open = engine.open(store.open(source, false), false)) {
            BlockAccess access = open.access(operation);
            clean = format.inspect(access).clean();
            empty = format.isEmpty(access);
        }
        if (!clean && !empty && engine.find(source.uuid()).isEmpty()) {
            putInOrder(source, format, false, operation);
        }
        return empty;
    }

    private void putInOrder(VolumeId id, ImageFormat format, boolean hidden, Operation operation) {
        try (OpenVolume open = engine.open(parents.open(id, true), true)) {
            ImageLayer layer = open.openImage(format, true, operation);
            layer.seal(open.access(operation), hidden);
        }
    }

    // ---- (2) empty images

    private void planImages(Plan plan, Operation operation) {
        Branch branch = plan.branch;
        ImageInfo leaf = leafInfo(plan, operation);
        if (!plan.isSplit()) {
            plan.images.add(newImage(branch, leaf, leaf.parent()));
            return;
        }
        UUID image =
                leaf.uuid()
                        .orElseThrow(
                                () ->
                                        ErrorCode.VDI_SNAPSHOT.because(
                                                "the image of disk "
                                                        + branch.source().id().uuid()
                                                        + " has no UUID"));
        Optional<ParentLink> link = Optional.of(new ParentLink(store.nameOf(plan.base), image));
        plan.images.add(newImage(branch, leaf, link));
        plan.images.add(
                new NewImage(
                        plan.newLeaf,
                        new ImageSpec(random.uuid(), leaf.sizeBytes(), Long.MAX_VALUE, link),
                        branch.source().attributes(),
                        true));
    }

    private NewImage newImage(Branch branch, ImageInfo leaf, Optional<ParentLink> parent) {
        long most = Math.max(leaf.sizeBytes(), branch.maximumBytes());
        return new NewImage(
                branch.incoming(),
                new ImageSpec(random.uuid(), leaf.sizeBytes(), most, parent),
                branch.attributes(),
                branch.maximumBytes() > 0);
    }

    private void makeVolumes(List<Plan> plans) {
        List<VolumeChange> changes = new ArrayList<>();
        for (Plan plan : plans) {
            for (NewImage image : plan.images) {
                changes.add(
                        new VolumeChange.Create(
                                image.id(), firstBytes(plan, image), image.attributes()));
            }
        }
        store.commit(changes);
    }

    private long firstBytes(Plan plan, NewImage image) {
        return parents.allocation()
                .firstBytes(plan.format, image.spec(), image.attributes(), image.isWritten());
    }

    private void makeImages(Plan plan, Operation operation) {
        for (NewImage image : plan.images) {
            makeImage(plan.format, image, operation);
        }
        if (plan.isSplit() && plan.active.isPresent()) {
            plan.child =
                    engine.openBeside(
                            plan.active.get(),
                            parents.open(plan.newLeaf, true),
                            plan.format,
                            operation);
        }
    }

    private ImageInfo leafInfo(Plan plan, Operation operation) {
        if (plan.active.isPresent()) {
            return DiskInspector.now(plan.active.get());
        }
        try (OpenVolume open = engine.open(store.open(plan.branch.source().id(), false), false)) {
            return plan.format.inspect(open.access(operation));
        }
    }

    private void makeImage(ImageFormat format, NewImage image, Operation operation) {
        VolumeId id = image.id();
        try (OpenVolume open = engine.open(parents.open(id, true), true)) {
            BlockAccess access = open.access(operation);
            if (image.isWritten()) {
                parents.allocation().makeRoom(access, id, format, image.spec().sizeBytes());
            }
            format.create(access, image.spec(), operation);
        }
    }

    // ---- (3) names

    /**
     * When it has happened although the store says that it failed, an active disk has to change
     * over, or else it would write to what others take for unchanging. It has happened when the new
     * images have their names. When nobody can tell, no flush of the disk succeeds any more.
     */
    private void commit(List<Plan> plans, Finish finish) {
        List<VolumeChange> changes = new ArrayList<>();
        for (Plan plan : plans) {
            if (plan.isSplit()) {
                VolumeId leaf = plan.branch.source().id();
                changes.add(new VolumeChange.Rename(leaf, plan.base));
                changes.add(new VolumeChange.SetMarks(plan.base, false, true));
                changes.add(new VolumeChange.SetAttributes(plan.base, DiskAttributes.ofBaseCopy()));
                changes.add(new VolumeChange.Rename(plan.newLeaf, leaf));
            }
        }
        changes.addAll(finish.changes());
        StoreCommits.commitOrLearn(
                store,
                changes,
                () -> plans.stream().allMatch(plan -> store.find(plan.branch.incoming()).isEmpty()),
                () -> plans.forEach(plan -> plan.active.ifPresent(ActiveVdi::distrust)));
    }

    private void undo(Plan plan, Throwable reason) {
        if (plan.child != null) {
            plan.child.close();
        }
        List<VolumeChange> changes = new ArrayList<>();
        changes.add(new VolumeChange.Delete(plan.branch.incoming()));
        if (plan.isSplit()) {
            changes.add(new VolumeChange.Delete(plan.newLeaf));
        }
        try {
            store.commit(changes);
        } catch (StorageException e) {
            reason.addSuppressed(e);
        }
    }

    // ---- (4) and (5)

    private void changeOver(List<Plan> plans, Finish finish, Operation operation) {
        List<VdiEngine.Switch> switches = new ArrayList<>();
        for (Plan plan : plans) {
            if (plan.child != null) {
                switches.add(
                        new VdiEngine.Switch(
                                plan.active.get(),
                                plan.child,
                                plan.base,
                                parents,
                                finish.atOnce(plan.branch.source().id().uuid())));
            }
        }
        if (!switches.isEmpty()) {
            engine.switchLeaves(switches, operation);
        }
        for (Plan plan : plans) {
            boolean readHere = engine.find(plan.branch.source().id().uuid()).isPresent();
            if (plan.isSplit() && plan.child == null && !readHere) {
                putInOrder(plan.base, plan.format, true, operation);
            }
        }
    }
}
