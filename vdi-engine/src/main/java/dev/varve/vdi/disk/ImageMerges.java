// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.vdi.disk;

import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.Operation;
import dev.varve.vdi.StorageException;
import dev.varve.vdi.engine.ActiveVdi;
import dev.varve.vdi.engine.ImageMerge;
import dev.varve.vdi.engine.ImageMerge.Direction;
import dev.varve.vdi.engine.OpenLayer;
import dev.varve.vdi.engine.OpenVolume;
import dev.varve.vdi.engine.VdiEngine;
import dev.varve.vdi.image.BlockAccess;
import dev.varve.vdi.image.ImageInfo;
import dev.varve.vdi.image.ImagePatch;
import dev.varve.vdi.image.ImageRole;
import dev.varve.vdi.image.ParentLink;
import dev.varve.vdi.store.VolumeChange;
import dev.varve.vdi.store.VolumeId;
import dev.varve.vdi.store.VolumeInfo;
import dev.varve.vdi.store.VolumeKind;
import dev.varve.vdi.store.VolumeStore;
import dev.varve.vdi.time.RandomSource;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;

/**
 * Keeps chains of images short: merges images with the one that they rest on where nothing else
 * rests on that, and removes inner nodes that nothing rests on.
 *
 * <p><b>Write order</b> of a merge, after all data was copied and flushed, and what a crash leaves:
 *
 * <table>
 * <caption>ways to end a merge</caption>
 * <tr><th>the upper image</th><th>downward</th><th>upward</th></tr>
 * <tr><td>is the leaf of a disk</td><td>(1) One sector says that the lower image is no inner node any
 * more. (2) One commit gives it the name of the disk. A crash before (2) leaves an inner node that the
 * store marks as one; the disk shows its leaf, as before.</td><td>as for an inner node</td></tr>
 * <tr><td>is an inner node</td><td>A {@link RolePlans plan}: the lower image gets the UUID by which
 * those that rest on the upper one know it, and its name.</td><td>A plan: the upper image comes to rest
 * on what the lower one rests on, and the lower one loses its name.</td></tr>
 * </table>
 *
 * An image that loses its name becomes a volume of kind INCOMING, which a crash removes, and is
 * removed when nobody reads it any more.
 *
 * <p><b>Invariants:</b> nothing is merged and no inner node is removed while there is an image
 * whose parent cannot be told: it may rest on any of them.
 *
 * <p><b>Threads:</b> any.
 */
final class ImageMerges {
    private final VolumeStore store;
    private final VdiEngine engine;
    private final StoreParents parents;
    private final RandomSource random;
    private final ImageTree tree;
    private final DiskInspector inspector;
    private final TreeLock lock;
    private final RolePlans plans;
    private final Set<Run> running = new LinkedHashSet<>();

    /** A merge that was begun. */
    private final class Run implements RunningMerge {
        private final Merge merge;
        private final ImageMerge images;

        Run(Merge merge, ImageMerge images) {
            this.merge = merge;
            this.images = images;
        }

        @Override
        public Merge merge() {
            return merge;
        }

        @Override
        public ImageMerge.Direction direction() {
            return images.direction();
        }

        @Override
        public long copiedBytes() {
            return images.copiedBytes();
        }

        @Override
        public boolean isDone() {
            return images.isDone();
        }

        @Override
        public boolean await(Operation operation) {
            return ImageMerges.this.await(this, operation);
        }

        @Override
        public Optional<Merged> finish(Operation operation) {
            return ImageMerges.this.finish(this, operation);
        }

        @Override
        public void cancel() {
            ImageMerges.this.cancel(this);
        }
    }

    /** Images that are not merged for a while. */
    private final List<VolumeId> barred = new ArrayList<>();

    /** Images without a name that somebody may still read. */
    private final Set<VolumeId> nameless = new LinkedHashSet<>();

    ImageMerges(
            VolumeStore store,
            VdiEngine engine,
            StoreParents parents,
            RandomSource random,
            ImageTree tree,
            DiskInspector inspector,
            TreeLock lock) {
        this.store = store;
        this.engine = engine;
        this.parents = parents;
        this.random = random;
        this.tree = tree;
        this.inspector = inspector;
        this.lock = lock;
        this.plans = new RolePlans(store, engine, parents, random);
    }

    // ---- what can be merged

    List<Merge> candidates(Operation operation) {
        inspector.completeTree(operation);
        if (!tree.unreadable().isEmpty()) {
            return List.of();
        }
        Set<VolumeId> busy = busy();
        List<Merge> found = new ArrayList<>();
        for (MergePairs.Pair pair : new MergePairs(tree.nodes()).all()) {
            if (!busy.contains(pair.child()) && !busy.contains(pair.parent())) {
                merge(pair).ifPresent(found::add);
            }
        }
        found.sort(MergePairs.BEST_FIRST);
        return found;
    }

    /** With its costs; nothing when one of the images has just gone. */
    private Optional<Merge> merge(MergePairs.Pair pair) {
        Optional<VolumeInfo> child = store.find(pair.child());
        Optional<VolumeInfo> parent = store.find(pair.parent());
        if (child.isEmpty() || parent.isEmpty()) {
            return Optional.empty();
        }
        long up = parent.get().allocatedBytes();
        long down = child.get().allocatedBytes();
        boolean goesUp =
                up < down || pair.parent().kind() != pair.child().kind() || keepsRoom(child.get());
        return Optional.of(
                new Merge(
                        pair.child().uuid(),
                        pair.parent().uuid(),
                        goesUp ? Direction.UP : Direction.DOWN,
                        pair.isLeaf(),
                        pair.disks(),
                        pair.root().uuid(),
                        pair.depth(),
                        goesUp ? up : down));
    }

    /** A thick leaf has the room for what comes up from the image below, which has not. */
    private boolean keepsRoom(VolumeInfo child) {
        return !child.hidden() && parents.allocation().isThick(child.attributes());
    }

    private Set<VolumeId> busy() {
        Set<VolumeId> busy = new HashSet<>();
        synchronized (running) {
            busy.addAll(barred);
            for (Run each : running) {
                busy.add(each.images.child());
                busy.add(each.images.parent());
            }
        }
        return busy;
    }

    // ---- beginning

    RunningMerge begin(Merge merge, Operation operation) {
        return lock.alone(operation, () -> beginAlone(merge, operation));
    }

    private RunningMerge beginAlone(Merge merge, Operation operation) {
        recoverAlone(operation);
        inspector.completeTree(operation);
        VolumeId child = tree.find(merge.child()).orElseThrow(() -> outdated(merge));
        VolumeId parent = tree.find(merge.parent()).orElseThrow(() -> outdated(merge));
        Set<VolumeId> busy = busy();
        if (!isOnlyPair(child, parent) || busy.contains(child) || busy.contains(parent)) {
            throw outdated(merge);
        }
        Optional<ActiveVdi> live = merge.isLeaf() ? engine.find(merge.child()) : Optional.empty();
        if (live.isPresent() && !live.get().isWritable()) {
            throw ErrorCode.SR_VDI_IN_USE.because(
                    "disk " + merge.child() + " is attached for reading; it is merged later");
        }
        Run begun = new Run(merge, start(child, parent, merge.direction(), live, operation));
        synchronized (running) {
            running.add(begun);
        }
        return begun;
    }

    private static StorageException outdated(Merge merge) {
        return ErrorCode.SR_VDI_IN_USE.because(
                "the images %s and %s cannot be merged any more: the tree has changed"
                        .formatted(merge.child(), merge.parent()));
    }

    private boolean isOnlyPair(VolumeId child, VolumeId parent) {
        return tree.unreadable().isEmpty()
                && tree.children(parent).equals(Set.of(child))
                && tree.isHidden(parent);
    }

    /**
     * An image that cannot become as large as the one above has that come down to it in no case.
     */
    private ImageMerge start(
            VolumeId child,
            VolumeId parent,
            Direction direction,
            Optional<ActiveVdi> live,
            Operation operation) {
        try {
            return engine.merge(
                    new ImageMerge.Pair(parents, child, parent, direction, live), operation);
        } catch (StorageException e) {
            boolean otherWay =
                    direction == Direction.DOWN
                            && (e.code() == ErrorCode.VDI_RESIZE
                                    || e.code() == ErrorCode.VDI_SNAPSHOT);
            if (!otherWay) {
                throw e;
            }
            return engine.merge(
                    new ImageMerge.Pair(parents, child, parent, Direction.UP, live), operation);
        }
    }

    // ---- ending

    private boolean await(Run merge, Operation operation) {
        try {
            boolean copied = merge.images.await(operation);
            if (!copied) {
                forget(merge);
            }
            return copied;
        } catch (RuntimeException | Error e) {
            cancelAfter(merge, e);
            throw e;
        }
    }

    private Optional<Merged> finish(Run merge, Operation operation) {
        if (!await(merge, operation)) {
            return Optional.empty();
        }
        try {
            return lock.alone(operation, () -> finishAlone(merge, operation));
        } catch (RuntimeException | Error e) {
            cancelAfter(merge, e);
            throw e;
        }
    }

    private void cancelAfter(Run merge, Throwable failure) {
        try {
            cancel(merge);
        } catch (RuntimeException e) {
            failure.addSuppressed(e);
        }
    }

    private void cancel(Run merge) {
        merge.images.cancel();
        forget(merge);
    }

    private void forget(Run merge) {
        synchronized (running) {
            running.remove(merge);
        }
    }

    private boolean isRunning(Run merge) {
        synchronized (running) {
            return running.contains(merge);
        }
    }

    /** Keeps an image from being merged until it is closed. */
    final class Bar implements AutoCloseable {
        private final VolumeId image;

        private Bar(VolumeId image) {
            this.image = image;
        }

        @Override
        public void close() {
            synchronized (running) {
                barred.remove(image);
            }
        }
    }

    /** Gives up the merges of an image and lets none begin. */
    Bar bar(VolumeId image) {
        return lock.beside(
                () -> {
                    synchronized (running) {
                        barred.add(image);
                    }
                    cancelTouching(Set.of(image));
                    return new Bar(image);
                });
    }

    /** Gives up the merges of an image that an operation needs. */
    void cancelTouching(Collection<VolumeId> images) {
        List<Run> all;
        synchronized (running) {
            all = List.copyOf(running);
        }
        for (Run merge : all) {
            if (images.contains(merge.images.child()) || images.contains(merge.images.parent())) {
                cancel(merge);
            }
        }
    }

    /**
     * Makes room for a new image that begins with the content of a disk. A merge of the leaf of an
     * active disk goes on as one of two inner nodes, if the leaf becomes one; an empty leaf does
     * not, and the new image comes to rest on what is below it, which then must not change.
     */
    void prepareBranch(VolumeId source) {
        Optional<ActiveVdi> active = engine.find(source.uuid()).filter(ActiveVdi::isWritable);
        if (active.isEmpty() || ImageBranches.isEmptyNow(active.get())) {
            cancelTouching(Set.of(source));
        }
    }

    private Optional<Merged> finishAlone(Run merge, Operation operation) {
        ImageMerge images = merge.images;
        inspector.completeTree(operation);
        if (!isRunning(merge) || !isOnlyPair(images.child(), images.parent())) {
            cancel(merge);
            return Optional.empty();
        }
        VolumeId child = images.child();
        VolumeId parent = images.parent();
        VolumeId nowhere = new VolumeId(VolumeKind.INCOMING, random.uuid());
        Optional<List<StorageException>> unchanged =
                engine.commit(
                        images,
                        result -> commit(images, child, parent, nowhere, result, operation),
                        operation);
        forget(merge);
        if (unchanged.isEmpty()) {
            return Optional.empty();
        }
        tree.remove(parent);
        synchronized (nameless) {
            nameless.add(nowhere);
        }
        removeNameless();
        VdiInfo now =
                inspector.inspect(
                        store.find(child)
                                .orElseThrow(
                                        () ->
                                                ErrorCode.VDI_NOT_ON_STORAGE.because(
                                                        child + " is gone after its merge")),
                        operation);
        return Optional.of(
                new Merged(
                        new DiskChanges(List.of(now), List.of(parent.uuid())),
                        merge.copiedBytes(),
                        unchanged.get()));
    }

    private void commit(
            ImageMerge images,
            VolumeId child,
            VolumeId parent,
            VolumeId nowhere,
            OpenLayer result,
            Operation operation) {
        boolean live = images.isLive();
        if (images.direction() == Direction.UP) {
            commitUp(parent, nowhere, result, !live, operation);
        } else if (tree.isHidden(child)) {
            commitNode(child, parent, nowhere, result, operation);
        } else {
            commitLeaf(child, parent, nowhere, result, !live, operation);
        }
    }

    private void commitUp(
            VolumeId parent,
            VolumeId nowhere,
            OpenLayer result,
            boolean seal,
            Operation operation) {
        ImageInfo below = inspect(parent, operation);
        ImageRole role = ImageRole.of(result.layer().info()).withParent(below.parent());
        plans.carryOut(
                result, role, List.of(new VolumeChange.Rename(parent, nowhere)), seal, operation);
    }

    private void commitNode(
            VolumeId child,
            VolumeId parent,
            VolumeId nowhere,
            OpenLayer result,
            Operation operation) {
        UUID known = inspect(child, operation).uuid().orElse(ParentLink.RAW);
        ImageRole role = ImageRole.of(result.layer().info()).withUuid(known).withHidden(true);
        plans.carryOut(
                result,
                role,
                List.of(
                        new VolumeChange.Rename(child, nowhere),
                        new VolumeChange.Rename(parent, child)),
                true,
                operation);
    }

    private void commitLeaf(
            VolumeId child,
            VolumeId parent,
            VolumeId nowhere,
            OpenLayer result,
            boolean seal,
            Operation operation) {
        VolumeInfo leaf =
                store.find(child)
                        .orElseThrow(
                                () ->
                                        ErrorCode.VDI_NOT_ON_STORAGE.because(
                                                "there is no " + child + " to be merged"));
        showAs(result, parent, false, seal, operation);
        boolean[] unknown = new boolean[1];
        try {
            StoreCommits.commitOrLearn(
                    store,
                    List.of(
                            new VolumeChange.Rename(child, nowhere),
                            new VolumeChange.Rename(parent, child),
                            new VolumeChange.SetAttributes(child, leaf.attributes()),
                            new VolumeChange.SetMarks(child, leaf.readOnly(), false)),
                    () -> store.find(parent).isEmpty(),
                    () -> unknown[0] = true);
        } catch (StorageException e) {
            if (unknown[0]) {
                engine.find(child.uuid()).ifPresent(ActiveVdi::distrust);
            } else {
                StoreCommits.attempt(e, () -> showAs(result, parent, true, seal, operation));
            }
            throw e;
        }
    }

    /** Changes whether an image says that it is an inner node: that is a single sector. */
    private void showAs(
            OpenLayer image, VolumeId id, boolean hidden, boolean seal, Operation operation) {
        BlockAccess access = image.volume().access(operation);
        ImageRole role = ImageRole.of(image.layer().info()).withHidden(hidden);
        ImagePatch.apply(parents.format(id).patches(access, role), access);
        image.layer().reread(access);
        if (seal) {
            image.layer().seal(access, hidden);
        }
    }

    private ImageInfo inspect(VolumeId id, Operation operation) {
        try (OpenVolume open = engine.open(store.open(id, false), false)) {
            return parents.format(id).inspect(open.access(operation));
        }
    }

    // ---- what nobody needs

    /** Removes images without a name, as far as nobody reads them any more. */
    private void removeNameless() {
        List<VolumeId> all;
        synchronized (nameless) {
            all = List.copyOf(nameless);
        }
        for (VolumeId id : all) {
            try {
                store.commit(List.of(new VolumeChange.Delete(id)));
                synchronized (nameless) {
                    nameless.remove(id);
                }
            } catch (StorageException e) {
                if (e.code() != ErrorCode.SR_VDI_IN_USE) {
                    throw e;
                }
            }
        }
    }

    /** Whether there are images without a name that somebody still reads. */
    boolean hasNameless() {
        synchronized (nameless) {
            return !nameless.isEmpty();
        }
    }

    /** Removes inner nodes that nothing rests on, from the top down, and what has no name. */
    List<UUID> removeGarbage(Operation operation) {
        return lock.alone(
                operation,
                () -> {
                    recoverAlone(operation);
                    removeNameless();
                    inspector.completeTree(operation);
                    List<UUID> removed = new ArrayList<>();
                    for (Optional<VolumeId> next = garbage(Set.of());
                            next.isPresent();
                            next = garbage(Set.copyOf(removed))) {
                        removed.add(next.get().uuid());
                        if (removeNode(next.get())) {
                            tree.remove(next.get());
                        }
                    }
                    removed.removeIf(uuid -> tree.find(uuid).isPresent());
                    return removed;
                });
    }

    private Optional<VolumeId> garbage(Set<UUID> tried) {
        return tree.unreadable().isEmpty()
                ? tree.nodes().stream()
                        .filter(node -> node.hidden() && tree.children(node.id()).isEmpty())
                        .map(ImageTree.Node::id)
                        .filter(id -> !tried.contains(id.uuid()))
                        .findFirst()
                : Optional.empty();
    }

    /** False while it is open for somebody. */
    private boolean removeNode(VolumeId id) {
        cancelTouching(Set.of(id));
        try {
            store.commit(List.of(new VolumeChange.Delete(id)));
            return true;
        } catch (StorageException e) {
            if (e.code() != ErrorCode.SR_VDI_IN_USE) {
                throw e;
            }
            return false;
        }
    }

    // ---- after a crash

    void recover(Operation operation) {
        lock.alone(
                operation,
                () -> {
                    recoverAlone(operation);
                    return null;
                });
    }

    private void recoverAlone(Operation operation) {
        if (plans.isUnfinished()) {
            RolePlans.Finished finished = plans.recover(operation);
            finished.changed().forEach(tree::remove);
            engine.forget(parents, finished.changed());
            synchronized (nameless) {
                nameless.addAll(finished.nameless());
            }
            removeNameless();
        }
    }
}
